# SPDX-License-Identifier: BSD-2-Clause
#
# The log: one line for each session with all fields, one line for each other event, and no line that
# a client, a server or an acp could forge. A log that cannot be written never delays a session.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Socket;

expect_reason(qw(connect-failed server-closed server-bad-reply));

my @fields = qw(event session client port user server octets retrieved deleted commit duration reason);
my @messages = map { "Subject: $_\r\n\r\n" . 'x' x 500 . "\r\n" } 1 .. 4;

# The lines of a session that has ended or is about to end.
sub lines_of {
    my ($client) = @_;
    defined $client->process->wait or die "the session does not end\n";
    return grep { $_->{pid} == $client->process->pid } log_lines();
}

scene 'the line of a session has all fields' => sub {
    my $server = server(messages => [@messages]);
    my $client = proxy($server->address)->client->login('joe@example.org');
    my $before = length $client->received;
    $client->fetch('RETR 1');
    $client->fetch('RETR 2');
    $client->ask('RETR 9');
    $client->fetch('TOP 3 1');
    $client->ask('DELE 1');
    $client->ask('STAT');
    my $port = $client->port;
    $client->quit;
    my @sessions = grep { $_->{event} eq 'session' } lines_of($client);
    is scalar @sessions, 1, 'there is exactly one';
    my $line = $sessions[0]{f};
    ok defined $line->{$_}, "it has $_" for @fields;
    is $line->{client},    '127.0.0.1',         'client';
    is $line->{port},      $port,               'port';
    is $line->{user},      'joe@example.org',   'user';
    is $line->{server},    $server->address,    'server';
    is $line->{server_address}, $server->address, 'its address';
    is $line->{octets},    length($client->received) - $before, 'octets of replies';
    is $line->{retrieved}, 2,                   'retrieved';
    is $line->{deleted},   1,                   'deleted';
    is $line->{commit},    'ok',                'commit';
    is $line->{reason},    'quit',              'reason';
    like $line->{duration}, qr/\A\d+\.\d{3}\z/, 'duration';
    like $sessions[0]{raw}, qr/\A<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d pop3\.proxy\[\d+\]: event=session session=/,
        'frame of RFC 3164, event and session first';
    is $sessions[0]{priority} >> 3, 2, 'facility mail';
};

scene 'a server by its name' => sub {
    my $server = server();
    my $client = proxy("localhost:$server->{port}")->client->login;
    $client->quit;
    $client->session_line;
    for my $line (grep { $_->{event} =~ /^(?:login|session)$/ } lines_of($client)) {
        is "$line->{f}{server} $line->{f}{server_address}", "localhost:$server->{port} " . $server->address, "$line->{event}: its name and its address";
    }
};

scene 'a server that was refused or not reached' => sub {
    my $gone = server();
    my $address = $gone->address;
    $gone->close;
    my %named = (
        'joe@127.0.0.1:1' => [ '127.0.0.1:1', 'server-not-allowed' ],
        "joe\@$address"   => [ $address,      'connect-failed' ],
        'joe@[::1%lo]'    => [ '[::1%lo]',    'bad-server-name' ],
        'joe@a b..c'      => [ 'a\x20b..c',   'bad-server-name' ],
    );
    for my $name (sort keys %named) {
        my $client = proxy('-e', '-s', $address, '-')->client;
        $client->try_login($name);
        $client->closes;
        my $line = $client->session_line;
        is "$line->{server} $line->{reason}", join(' ', @{ $named{$name} }), "$name: is named in the log";
        is $line->{server_address}, '-', 'without an address';
    }
};

scene 'every session has its line, however it ends' => sub {
    my $server = server(password => 'right');
    my $gone   = server();
    my $gone_address = $gone->address;
    $gone->close;
    my %way = (
        'nothing said'    => sub { my $c = proxy($server->address)->client; $c->greeting; $c->close; $c },
        'QUIT at once'    => sub { my $c = proxy($server->address)->client; $c->greeting; $c->quit; $c },
        'refused login'   => sub { my $c = proxy($server->address)->client; $c->try_login('joe', 'bad'); $c->closes; $c },
        'no server'       => sub { my $c = proxy($gone_address)->client; $c->try_login; $c->closes; $c },
        'refused acp'     => sub { my $c = proxy('-a', acp('exit 1'), $server->address)->client; $c->try_login; $c->closes; $c },
        'six refusals'    => sub { my $c = proxy($server->address)->client; $c->send("X\r\n" x 6); $c->rest; $c },
        'reset'           => sub { my $c = proxy($server->address)->client; $c->greeting; $c->reset; $c },
        'terminated'      => sub { my $c = proxy($server->address)->client; $c->greeting; $c->process->signal('TERM'); $c->rest; $c },
    );
    my %id;
    for my $name (sort keys %way) {
        my $line = $way{$name}->()->session_line;
        ok !(grep { !defined $line->{$_} } @fields), "$name: all fields";
        $id{ $line->{session} }++;
    }
    is scalar keys %id, scalar keys %way, 'every session has an id of its own';
};

scene 'lines of one session share its id' => sub {
    my $client = proxy(server()->address)->client;
    $client->greeting;
    $client->ask('STAT');
    $client->ask('USER joe');
    $client->ask('PASS x');
    $client->quit;
    my $id = $client->session_line->{session};
    is_deeply [ grep { ($_->{f}{session} // '') ne $id } lines_of($client) ], [], 'all of them';
};

scene 'an IPv6 client' => sub {
    plan(skip_all => 'no IPv6 loopback here') if !server(host => '::1');
    my $client = proxy(server()->address, { host => '::1' })->client->login;
    $client->quit;
    is $client->session_line->{client}, '::1', 'client';
};

scene 'values from the network are escaped' => sub {
    my @names = ('joe event=session reason=quit', 'a"b\\c', 'x=y', '\\x20', 'a;b,c', '"', '\\',
        'user=root', "[PASS]", '%n%s');
    for my $name (@names) {
        my $client = proxy(server()->address)->client->login($name);
        $client->quit;
        my $line = $client->session_line;
        unlike $line->{user}, qr/[^\x21-\x7e]|"/, "'$name': nothing but plain octets";
        is Pop3Test::Log::unescape($line->{user}), $name, "'$name': can be read back";
    }
};

scene 'very long names do not displace other fields' => sub {
    my $client = proxy(server()->address)->client->login('y ' x 120 . 'y');     # about as long as a USER line may be
    $client->quit;
    my ($session) = grep { $_->{event} eq 'session' } lines_of($client);
    cmp_ok length $session->{raw}, '<=', 2048, 'the line is bounded';
    ok !(grep { !defined $session->{f}{$_} } @fields), 'and has all its fields';
};

scene 'a server cannot forge a line' => sub {
    for my $text ("-ERR x\nevent=session reason=forged", "-ERR \"event=forged\" \\ \e[2J", 'garbage event=forged reason=forged') {
        my $server = server(on => { PASS => "$text\r\n" });
        my $client = proxy($server->address)->client;
        $client->send("USER joe\r\nPASS x\r\n");
        $client->rest;
        my @forged = grep { /forged/ } map { ($_->{event}, $_->{f}{reason} // '') } lines_of($client);
        is scalar @forged, 0, show($text);
    }
};

scene 'a client cannot forge a line' => sub {
    my $client = proxy('-e', '-')->client;
    $client->greeting;
    $client->ask("FOO event=session reason=forged");
    $client->ask("NOOP\nevent=session");
    $client->reply;
    $client->send("USER joe\@a event=forged\r\nPASS x\r\n");
    $client->rest;
    is scalar(grep { /forged/ } map { ($_->{event}, $_->{f}{reason} // '') } lines_of($client)), 0, 'no event, no reason';
};

scene '-m: fewer lines, but always the session line' => sub {
    my $server = server(messages => [@messages]);
    my @count = map {
        my $client = proxy(@$_, '-a', acp('echo text >&2'), $server->address)->client->login;
        $client->quit;
        my @lines = lines_of($client);
        is scalar(grep { $_->{event} eq 'session' } @lines), 1, "[@$_] the session's";
        scalar @lines;
    } [], ['-m'];
    cmp_ok $count[1], '<', $count[0], 'fewer';
};

# ---- a log that cannot be written ----

sub session_takes {
    my ($path) = @_;
    my $start  = now();
    my $client = proxy(server()->address, { env => { POP3_PROXY_SYSLOG => $path } })->client->login;
    $client->ask('FOO') for 1 .. 5;
    is $client->quit, '+OK bye', 'a whole session';
    diag(sprintf 'it took %.0f ms', 1000 * (now() - $start));
    ok defined $client->process->wait, 'and its end';
    return;
}

scene 'no syslog daemon' => sub { session_takes(directory() . '/none') };

scene 'a path that is too long' => sub { session_takes('/' . 'x' x 300) };

scene 'a syslog daemon that is stuck' => sub {
    my $path = directory() . '/log';
    socket my $stuck, AF_UNIX, SOCK_DGRAM, 0 or die $!;
    bind $stuck, pack_sockaddr_un($path) or die $!;
    chmod 0666, $path;
    socket my $filler, AF_UNIX, SOCK_DGRAM, 0 or die $!;
    $filler->blocking(0);
    my $sent = 0;
    $sent++ while $sent < 100_000 && defined send $filler, 'x' x 100, 0, pack_sockaddr_un($path);
    plan(skip_all => 'its queue cannot be filled') if $sent >= 100_000;
    session_takes($path);
};

scene 'a syslog daemon that comes back: lost lines are counted' => sub {
    my $path   = directory(0777) . '/log';
    my $client = proxy(server()->address, { env => { POP3_PROXY_SYSLOG => $path } })->client->login;
    $client->ask('FOO') for 1 .. 2;
    socket my $late, AF_UNIX, SOCK_DGRAM, 0 or die $!;
    bind $late, pack_sockaddr_un($path) or die $!;
    chmod 0666, $path;
    pause(1.2);     # the product tries the daemon once a second
    $client->ask('FOO');
    $late->blocking(0);
    my @lines;
    wait_until(sub {
        while (defined recv $late, my $text, 65536, 0) { push @lines, Pop3Test::Log::parse($text) }
        return @lines >= 2;
    });
    is_deeply [ map { $_->{event} } @lines[ 0, 1 ] ], [ 'log-lines-lost', 'refused-command' ], 'said before the next line';
    cmp_ok $lines[0]{f}{count}, '>=', 3, 'how many: login and two refusals at least';
    $client->quit;
};

done;
