# SPDX-License-Identifier: BSD-2-Clause
#
# The command set: supported commands reach the server; all others get one -ERR and one log line. Five
# of them are allowed, the sixth ends the session.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;

my @messages = map { "Subject: $_\r\n\r\nbody $_\r\nlast\r\n" } 1 .. 3;

# What reached the server after USER and PASS.
sub after_login { my ($server) = @_; my @lines = ($server->connections)[-1]->lines; return [ @lines[ 2 .. $#lines ] ] }

sub logged_in {
    my ($server, @arguments) = @_;
    return proxy(@arguments, $server->address)->client->login;
}

scene 'every command of the manual' => sub {
    my $server = server(messages => \@messages);
    my $client = logged_in($server);
    my $size   = length $messages[0];
    is $client->ask('STAT'),     '+OK 3 ' . 3 * $size, 'STAT';
    is + ($client->fetch('LIST'))[1], join('', map { "$_ $size\r\n" } 1 .. 3), 'LIST';
    is $client->ask('LIST 2'),   "+OK 2 $size", 'LIST with a number is one line';
    is + ($client->fetch('UIDL'))[1], join('', map { "$_ uid-$_\r\n" } 1 .. 3), 'UIDL';
    is $client->ask('UIDL 3'),   '+OK 3 uid-3', 'UIDL with a number is one line';
    is + ($client->fetch('RETR 1'))[1], $messages[0], 'RETR';
    is + ($client->fetch('TOP 1 1'))[1], "Subject: 1\r\n\r\nbody 1\r\n", 'TOP';
    is + ($client->fetch('TOP 1 0'))[1], "Subject: 1\r\n\r\n", 'TOP with no lines';
    is $client->ask('DELE 1'),   '+OK deleted', 'DELE';
    is $client->ask('RETR 1'),   '-ERR no such message', 'RETR that the server refuses';
    is $client->ask('TOP 1 1'),  '-ERR no such message', 'TOP that the server refuses';
    is $client->ask('RSET'),     '+OK', 'RSET';
    is $client->ask('LAST'),     '+OK 0', 'LAST';
    is $client->ask('NOOP'),     '+OK', 'NOOP';
    is $client->quit,            '+OK bye', 'QUIT';
    is_deeply after_login($server), [ 'STAT', 'LIST', 'LIST 2', 'UIDL', 'UIDL 3', 'RETR 1', 'TOP 1 1', 'TOP 1 0',
        'DELE 1', 'RETR 1', 'TOP 1 1', 'RSET', 'LAST', 'NOOP', 'QUIT' ], 'the server saw just these';
};

scene 'keywords in any case, lines that end in a bare LF' => sub {
    my $server = server(messages => \@messages);
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->send("user joe\n");
    like $client->reply, qr/^\+OK/, 'user';
    $client->send("pAsS x y \n");
    like $client->reply, qr/^\+OK/, 'pAsS';
    $client->send("stat\n");
    like $client->reply, qr/^\+OK 3 /, 'stat';
    is + ($client->fetch('rEtR 2'))[1], $messages[1], 'rEtR';
    like $client->ask('quit'), qr/^\+OK/, 'quit';
    is_deeply [ map { s/^(\w+)/\U$1/r } ($server->connections)[0]->lines ],
        [ 'USER joe', 'PASS x y ', 'STAT', 'RETR 2', 'QUIT' ], 'the server gets clean lines';
};

scene 'blanks around arguments, and many digits' => sub {
    my $server = server(messages => \@messages);
    my $size   = length $messages[0];
    my $client = proxy($server->address)->client;
    $client->greeting;
    is $client->ask('USER  joe '), '+OK password please', 'USER';
    is $client->ask('PASS  x '), '+OK logged in', 'PASS';
    is + ($client->fetch('RETR  1'))[1], $messages[0], 'RETR';
    is $client->ask('LIST 1  '), "+OK 1 $size", 'LIST';
    is + ($client->fetch('UIDL   '))[1], join('', map { "$_ uid-$_\r\n" } 1 .. 3), 'UIDL without an argument';
    is + ($client->fetch('TOP  1   0 '))[1], "Subject: 1\r\n\r\n", 'TOP';
    is + ($client->fetch('TOP 1 99999999999'))[1], $messages[0], 'TOP with a count of many digits';
    is $client->ask('NOOP  '), '+OK', 'NOOP';
    like $client->quit, qr/^\+OK/, 'QUIT';
    is_deeply [ ($server->connections)[-1]->lines ], [ 'USER joe', 'PASS  x ', 'RETR 1', 'LIST 1', 'UIDL', 'TOP 1 0',
        'TOP 1 99999999999', 'NOOP', 'QUIT' ], 'the server gets one blank before each argument, a password as it is';
};

my @unsupported = ('EXPN', 'APOP joe c4c9334bac560ecc979e58001b3e22fb', 'XTND XMIT', 'RPOP x', 'TURN', 'HELOX a', 'GETS / x', 'X', '',
    'STATX', 'RETR1', 'RE TR 1', 'XSENDER 1', 'UTF8', 'LANG', 'XCLIENT ADDR=1.2.3.4', ' STAT', "\tSTAT", 'DELE1 1');
my @malformed = ('RETR', 'RETR abc', 'RETR 0', 'RETR -1', 'RETR 1 2', 'RETR 1x', "RETR 1\t", 'RETR +1', 'RETR 1.0',
    'DELE', 'DELE x', 'DELE 1 2', 'DELE *', 'DELE 0', 'TOP', 'TOP 1', 'TOP x 1', 'TOP 1 x', 'TOP 1 -1', 'TOP 1 2 3', 'TOP 0 1',
    'STAT 1', 'NOOP x', 'RSET 1', 'LAST 1', 'QUIT now', 'LIST x', 'LIST 1 2', 'LIST 0', 'LIST -1', 'UIDL x', 'UIDL 1 2',
    "NOOP\0", "STAT\x01", "LIST\x801", "LIST 1\xff", "NOOP\r", "RETR 1\rDELE 1", "RETR 1\0", "ST\x7fAT", "\xef\xbb\xbfSTAT");
my @misplaced = ('USER joe', 'PASS x');

# One -ERR, one log line, nothing at the server, and the session goes on.
sub is_refused_everywhere {
    my ($state, @commands) = @_;
    my $server = server(messages => \@messages);
    for (my $i = 0; $i < @commands; $i += 5) {
        my @five   = grep { defined } @commands[ $i .. $i + 4 ];
        my $client = proxy($server->address)->client;
        $state eq 'after' ? $client->login : $client->greeting;
        my $seen = $server->lines;
        for my $command (@five) {
            like $client->ask($command), qr/^-ERR ./, show($command) . ": refused $state login";
        }
        is scalar $server->lines, $seen, 'none of them reached the server';
        if ($state eq 'after') { is $client->ask('NOOP'), '+OK', 'the session goes on' }
        else                   { like $client->ask('USER joe'), qr/^\+OK/, 'the session goes on' }
        $client->quit;
        my $id = $client->session_line->{session};
        my @logged = grep { $_->{f}{session} eq $id } log_lines('refused-command');
        is scalar @logged, scalar @five, 'one log line each';
    }
    return;
}

scene 'commands that are not supported, after login' => sub { is_refused_everywhere('after', @unsupported) };
scene 'and before'                                   => sub { is_refused_everywhere('before', @unsupported) };
scene 'malformed commands'                           => sub { is_refused_everywhere('after', @malformed) };
scene 'USER and PASS after login'                    => sub { is_refused_everywhere('after', @misplaced) };
scene 'TRANSACTION commands before login' => sub {
    is_refused_everywhere('before', 'STAT', 'LIST', 'RETR 1', 'DELE 1', 'UIDL', 'TOP 1 1', 'NOOP', 'RSET', 'LAST', 'PASS x');
};
scene 'login commands that are malformed' => sub {
    is_refused_everywhere('before', 'USER', 'USER ', 'PASS', "USER a\x01b", "USER a\x7f");
};

scene 'five are allowed, the sixth ends the session' => sub {
    for my $state ('before', 'after') {
        my $server = server(messages => \@messages);
        my $client = proxy($server->address)->client;
        $state eq 'after' ? $client->login : $client->greeting;
        like $client->ask("FOO$_"), qr/^-ERR/, "$state login: refusal $_" for 1 .. 5;
        is $client->ask('NOOP'), '+OK', 'still there after the fifth' if $state eq 'after';
        $client->send_line('FOO6')->send_line('QUIT');
        like $client->rest, qr/\A(?:-ERR [^\r\n]*\r\n)?\z/, "$state login: the sixth ends it, with one -ERR at most";
        ok !$server->saw(qr/^(?:QUIT|FOO)/i), 'no QUIT, no FOO at the server';
        like $client->session_line->{reason}, qr/refused/, 'the reason is in the log';
    }
};

scene 'all kinds of refusal count together' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->ask('STAT');               # wrong state
    $client->ask('USER');               # malformed
    $client->ask('USER joe');
    $client->ask('PASS x');
    $client->ask('FOO');                # unknown
    $client->ask("NOOP \x80");          # octets
    $client->ask('NOOP ' . 'x' x 9000); # too long
    is $client->ask('NOOP'), '+OK', 'five so far';
    $client->send_line('USER joe');
    like $client->rest, qr/\A(?:-ERR [^\r\n]*\r\n)?\z/, 'the sixth';
};

# Commands that are answered without a server cost a client nothing, and the worker its time.
scene 'CAPA, AUTH and USER before the login are limited' => sub {
    my %free = (CAPA => 'CAPA', USER => 'USER joe', AUTH => 'AUTH');
    my $server = server();
    for my $verb (sort keys %free) {
        my $client = proxy($server->address)->client;
        $client->greeting;
        my $send = sub { $client->send_line($free{$verb}); my $line = $client->line; $client->body if $verb ne 'USER' && $line =~ /^\+OK/; $line };
        is scalar(grep { $send->() =~ /^\+OK/ } 1 .. 20), 20, "$verb: twenty are answered";
        is scalar(grep { $send->() =~ /^-ERR too many commands/ } 1 .. 5), 5, "$verb: five more are refused";
        like $client->send_line($free{$verb})->rest, qr/\A-ERR [^\r\n]+\r\n\z/, "$verb: the next one ends the session";
        is $client->session_line->{reason}, 'too-many-refused-commands', "$verb: reason";
    }
    my $client = proxy($server->address)->client;
    $client->greeting;
    $client->ask($_), $client->body for ('CAPA') x 10, ('AUTH') x 9;
    is $client->ask('USER joe'), '+OK password please', 'all of them count together: the twentieth';
    like $client->ask('USER jim'), qr/^-ERR too many commands/, 'the twenty-first';
    is $client->ask('PASS x'), '+OK logged in', 'the login still works';
    is + ($server->lines)[0], 'USER joe', 'with the user of before';
    like $client->ask('CAPA'), qr/^\+OK/, "after the login they do not count ($_)" and $client->body for 1 .. 25;
};

scene 'a refusal by the server does not count' => sub {
    my $server = server();
    my $client = logged_in($server);
    is $client->ask('RETR 9'), '-ERR no such message', "number $_" for 1 .. 20;
    is $client->ask('NOOP'), '+OK', 'still there';
    like $client->quit, qr/^\+OK/, 'QUIT';
};

scene 'refused commands in the log do not show what was typed' => sub {
    my $typed  = secret('mistyped-geheim');
    my $client = proxy(server()->address)->client;
    $client->greeting;
    $client->ask($_) for $typed, "PAS $typed", "PASS$typed", "PASS\t$typed", "USER\t$typed";
    $client->quit;
    is scalar(grep { $_->{pid} == $client->process->pid } log_lines('refused-command')), 5, 'five lines';
};

scene 'well-known foreign commands are named, and only their first word' => sub {
    my $typed = secret('digest-geheim');
    my %named = ("APOP joe $typed" => 'APOP', "xtnd $typed" => 'XTND', 'UTF8' => 'UTF8', "LANG $typed" => 'LANG', $typed => 'unknown');
    my $client = proxy(server()->address)->client;
    $client->greeting;
    like $client->ask($_), qr/^-ERR/, 'is refused' for sort keys %named;
    $client->quit;
    my @lines = grep { $_->{pid} == $client->process->pid } log_lines('refused-command');
    is_deeply [ map { $_->{f}{command} } @lines ], [ map { $named{$_} } sort keys %named ], 'before the login';
    my $later = logged_in(server());
    $later->ask($_) for 'GET / HTTP/1.1', "EHLO $typed", "HELO $typed";
    $later->quit;
    @lines = grep { $_->{pid} == $later->process->pid } log_lines('refused-command');
    is_deeply [ map { $_->{f}{command} } @lines ], [qw(GET EHLO HELO)], 'after it';
};

scene 'QUIT before login' => sub {
    my $server = server();
    my $client = proxy($server->address)->client;
    $client->greeting;
    like $client->quit, qr/^\+OK/, 'is answered';
    is scalar $server->connections, 0, 'without a server';
    $client = proxy($server->address)->client;
    $client->greeting;
    $client->ask('USER joe');
    like $client->quit, qr/^\+OK/, 'after USER as well';
    is scalar $server->connections, 0, 'without a server';
};

done;
