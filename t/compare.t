# SPDX-License-Identifier: BSD-2-Clause
#
# `pop3.proxy compare` between fake servers, and between two real Dovecots: who would download mail again,
# who lacks mail, who cannot log in. A server that fails for one user holds up no other user, nothing is
# changed at a server, and no password is in what is printed.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Dovecot;
use Pop3Test::Slow qw(drip);
use Pop3Test::Tables qw(rows);
use Pop3Test::Tls;
use Encode qw(decode_utf8);
use IO::Socket::IP;
use JSON::PP ();

my $PASSWORD = 'open sesame';
secret($PASSWORD);

# A server with a mailbox for each user: user => [ [ UIDL, octets ], ... ], or a hook for PASS.
sub mailboxes {
    my (%box) = @_;
    my $box_of = sub { my ($connection) = @_; return $box{ $connection->{user} } };
    my $list = sub {
        my ($connection, $value) = @_;
        my $number = 0;
        return join '', "+OK\r\n", (map { ++$number . ' ' . $value->($_) . "\r\n" } @{ $box_of->($connection) }), ".\r\n";
    };
    return server(on => {
        PASS => sub {
            my ($connection, $password) = @_;
            my $box = $box_of->($connection) // return "-ERR [AUTH] no $password for $connection->{user}\r\n";
            return ref $box eq 'CODE' ? $box->($connection) : "+OK\r\n";
        },
        STAT => sub {
            my ($connection) = @_;
            my $octets = 0;
            $octets += length $_->[1] for @{ $box_of->($connection) };
            return '+OK ' . @{ $box_of->($connection) } . " $octets\r\n";
        },
        LIST => sub { $list->($_[0], sub { length $_[0][1] }) },
        UIDL => sub { $list->($_[0], sub { $_[0][0] }) },
        RETR => sub { "+OK\r\n" . Pop3Test::Server::Connection::wire($box_of->($_[0])[ $_[1] - 1 ][1]) },
    });
}

# Messages with the UIDLs from the one word list and the octets of the other.
sub box {
    my ($uidls, $octets) = @_;
    my @octets = split ' ', $octets // $uidls;
    return [ map { [ $_, "Subject: x\r\n\r\n" . shift(@octets) . "\r\n" ] } split ' ', $uidls ];
}

sub users { return write_file(directory() . '/users', join('', map { "$_ $PASSWORD\n" } @_), 0600) }

# Runs it. Returns the exit code, what it printed, and what it complained of.
sub compare {
    my ($old, $new, @arguments) = @_;
    my $result = run([ program(), 'compare', '--old', $old->address, '--new', $new->address, '--tls', 'no', @arguments ], limit => 60);
    unlike "$result->{out}$result->{err}", qr/\Q$PASSWORD\E|\r|\e/, 'no password, and nothing for a terminal, is printed';
    return (exit_code($result->{status}), $result->{out}, $result->{err});
}

# The lines of users come as they are done: sorted by name here, before the summary.
sub in_order {
    my ($users, $summary) = $_[0] =~ /\A(.*?)(\d+ users?, .*)\z/s or return $_[0];
    return join('', sort { $a cmp $b } split /^/, $users) . $summary;
}

my %old = (
    anna => box('a b c'), bert => box('u-1 u-2 u-3'), carl => box('a b c d'), dora => box('a b'), emil => box('a'),
    fred => box('a'), gina => undef, hugo => box('a b'), ines => box('a'), jens => undef, "k\xc3\xa4the" => box('a'), leer => box(''),
);
my %new = (
    anna => box('a b c'), bert => box('u-4 u-5 U-1'), carl => box('c y'), dora => box(''), emil => box('a b'),
    fred => undef, gina => box('a'), hugo => sub { $_[0]->send("+OK\r\n"); $_[0]{hang_up} = 1; return '' },
    ines => box('a', 'longer'), jens => undef, "k\xc3\xa4the" => box('b'), leer => box(''),
);
my @names = (qw(anna bert carl dora emil fred gina hugo ines jens), "k\xc3\xa4the", 'leer');

scene 'users of every kind' => sub {
    my ($old, $new) = (mailboxes(%old), mailboxes(%new));
    my ($o, $n) = ($old->address, $new->address);
    my ($code, $out, $err) = compare($old, $new, '--users', users(@names), '--jobs', 3);
    is $code, 2, 'exit status: not everything could be compared';
    is $err, '', 'nothing on standard error';
    is in_order($out =~ s{broke: Connection reset by peer}{broke}r), <<"END", 'the report';
bert: downloads everything again, 3 messages: all UIDLs differ
carl: downloads 1 of 2 messages again: their UIDLs differ; 2 messages missing at the new server
dora: 2 messages missing at the new server
emil: 1 message only at the new server
fred: $n: refuses the login
gina: $o: refuses the login
hugo: $n: the connection broke
ines: 1 message with the same UIDL but other content
jens: $o: refuses the login; $n: refuses the login
k\\xc3\\xa4the: downloads everything again, 1 message: all UIDLs differ
12 users, $o and $n:
       2 have the same at both
       2 download everything again
       1 downloads some messages again
       2 lack mail at the new server
       1 has mail only at the new server
       1 has messages with other content
       3 cannot log in
       1 could not be compared
END
    for my $server ($old, $new) {
        is_deeply [ sort(keys %{ { map { (split ' ')[0] => 1 } grep { length } $server->lines } }) ], [qw(LIST PASS QUIT STAT UIDL USER)],
            'no server is asked for anything else';
        is_deeply $server->{committed}, [], 'nothing is deleted';
    }
};

scene 'JSON for programs, and the exit status' => sub {
    my ($old, $new) = (mailboxes(%old), mailboxes(%new));
    my ($code, $out) = compare($old, $new, '--users', users(@names), '--json');
    is $code, 2, 'exit status';
    my $report = JSON::PP->new->utf8->decode($out);
    is join(' ', $report->{old}, $report->{new}), $old->address . ' ' . $new->address, 'the servers';
    is_deeply [ map { $_->{user} } @{ $report->{users} } ], [ map { decode_utf8($_) } @names ], 'every user, in the order of the file';
    my $told = JSON::PP->new->utf8->decode((compare($old, $new, '--users', users("o\x{cc}\x{88}d"), '--json'))[1]);
    is $told->{users}[0]{user}, "o\x{308}d", 'a character that is not in Latin 1';
    my %user = map { $_->{user} => $_ } @{ $report->{users} };
    is_deeply $user{carl}, { user => 'carl', old => { messages => 4, octets => 4 * 17 }, new => { messages => 2, octets => 34 },
        same => 1, again => 1, lost => 2, added => 0, changed => 0, everything_again => JSON::PP::false }, 'one with numbers';
    is $user{bert}{everything_again}, JSON::PP::true, 'one who downloads everything again';
    is_deeply $user{hugo}, { user => 'hugo', old => { messages => 2, octets => 34 }, new => { failure => "lost", text => $user{hugo}{new}{text} } }, 'one with a failure';
    is_deeply $report->{summary}, { users => 12, same => 2, everything_again => 2, some_again => 1, lost => 2, added => 1, changed => 1,
        login_refused => 3, failed => 1 }, 'the summary';
    is +(compare($old, $new, '--users', users(qw(anna leer))))[0], 0, 'no difference: 0';
    is +(compare($old, $new, '--users', users(qw(anna bert))))[0], 1, 'a difference: 1';
    is +(compare($old, $new, '--users', users(qw(anna fred))))[0], 2, 'a refused login is no comparison: 2';
};

scene 'hashes tell renamed messages from lost and new ones' => sub {
    my $old = mailboxes(anna => box('a b c', 'one two three'), bert => box('a b', 'one two'), carl => box('a b', 'one one'));
    my $new = mailboxes(anna => box('x y c', 'two four three'), bert => box('a b', 'one twx'), carl => box('x a', 'one one'));
    my ($code, $out) = compare($old, $new, '--users', users(qw(anna bert carl)), '--json');
    my @numbers = map { { %$_{qw(same again lost added changed)} } } @{ JSON::PP::decode_json($out)->{users} };
    is_deeply \@numbers, [ { same => 1, again => 2, lost => 0, added => 0, changed => 0 },
        { same => 2, again => 0, lost => 0, added => 0, changed => 0 }, { same => 1, again => 1, lost => 0, added => 0, changed => 0 } ], 'without';
    ($code, $out) = compare($old, $new, '--users', users(qw(anna bert carl)), '--json', '--hashes');
    @numbers = map { { %$_{qw(same again lost added changed)} } } @{ JSON::PP::decode_json($out)->{users} };
    is_deeply \@numbers, [ { same => 1, again => 1, lost => 1, added => 1, changed => 0 },
        { same => 2, again => 0, lost => 0, added => 0, changed => 1 }, { same => 1, again => 1, lost => 0, added => 0, changed => 0 } ], 'with them';
};

scene 'servers that fail, each for one user' => sub {
    my $after = sub { my ($octets) = @_; return sub { $_[0]{server}{on}{ $_[0]{user} } = $octets; "+OK\r\n" } };
    my %says = (
        garbage => [ STAT => "+OK much\r\n" ], negative => [ STAT => "+OK -1 5\r\n" ], huge => [ STAT => "+OK 99999999999999 5\r\n" ],
        endless => [ LIST => "+OK\r\n" . join '', map { "$_ 1\r\n" } 1 .. 5000 ], short => [ LIST => "+OK\r\n1 1\r\n.\r\n" ],
        beyond => [ UIDL => "+OK\r\n1 a\r\n7 b\r\n.\r\n" ], twice => [ UIDL => "+OK\r\n1 a\r\n1 b\r\n.\r\n" ],
        listed => [ LIST => "+OK\r\n1 5\r\n1 5\r\n.\r\n" ], shared => [ UIDL => "+OK\r\n1 a\r\n2 a\r\n.\r\n" ],
        line => [ UIDL => "+OK\r\n1 " . 'x' x 5000 ], without => [ UIDL => "-ERR what?\r\n" ],
        message => [ RETR => "+OK\r\n" . "line\r\n" x 20_000 ],
    );
    my $hook = sub {
        my ($verb) = @_;
        return sub {
            my ($connection) = @_;
            my $says = $says{ $connection->{user} };
            return $says && $says->[0] eq $verb ? $says->[1] : undef;
        };
    };
    my @messages = ("one\r\n", "two, longer\r\n");
    my $old = server(messages => \@messages);
    my $new = server(messages => \@messages, on => { map { $_ => $hook->($_) } qw(STAT LIST UIDL RETR) });
    my @users = ('sound', sort keys %says);
    my ($code, $out) = compare($old, $new, '--users', users(@users), '--json', '--hashes', '--timeout', 20);
    is $code, 2, 'exit status';
    my %failure = map { $_->{user} => $_->{new}{failure} } @{ JSON::PP::decode_json($out)->{users} };
    is_deeply \%failure, { sound => undef, garbage => 'protocol', negative => 'protocol', huge => 'memory', endless => 'protocol',
        short => 'protocol', beyond => 'protocol', twice => 'protocol', listed => 'protocol', shared => 'uidls', line => 'protocol', without => 'refused', message => 'protocol' },
        'each is named, and the others go on';
};

scene 'a server that hangs holds up one user and not the others' => sub {
    my %done;
    my $old = mailboxes(map { $_ => box('a') } qw(slow anna bert carl));
    my $new = mailboxes(slow => sub { '' }, map { my $name = $_; $name => sub { $done{$name} = 1; "+OK\r\n" } } qw(anna bert carl));
    $new->{on}{$_} = undef for qw(STAT LIST UIDL);
    my ($write, $read);
    my %got = (out => '');
    my ($code, $out) = compare($old, $new, '--users', users(qw(slow anna bert carl)), '--jobs', 2, '--timeout', 2, '--json');
    is_deeply \%done, { anna => 1, bert => 1, carl => 1 }, 'the others are asked';
    is +(JSON::PP::decode_json($out)->{users})->[0]{new}{failure}, 'timeout', 'and the one has its line';
};

scene 'a server that sends one octet at a time does not win time' => sub {
    my $old = mailboxes(map { $_ => box('a') } qw(listing anna));
    my $new = mailboxes(listing => box('a'), anna => box('a'));
    my $list = $new->{on}{LIST};
    $new->{on}{LIST} = sub { $_[0]{user} eq 'listing' ? do { drip($_[0], 'x', 0.1); '' } : $list->(@_) };
    my ($code, $out) = compare($old, $new, '--users', users(qw(listing anna)), '--jobs', 1, '--timeout', 1);
    is $code, 2, 'exit status';
    like $out, qr/\Alisting: \S+: does not answer in time\n2 users/, 'a listing that never ends; the next user is compared';
    my $greets = server(greeting => \'', on_accept => sub { drip($_[0], 'x', 0.1) });
    ($code, $out) = compare($old, $greets, '--users', users('anna'), '--timeout', 1);
    like $out, qr/\Aanna: \S+: does not answer in time\n/, 'a greeting that never ends';
};

scene 'people see a user as soon as he is done' => sub {
    my $old = mailboxes(map { $_ => box('a') } qw(slow anna));
    my $new = mailboxes(slow => sub { '' }, anna => box('b'));
    my ($code, $out) = compare($old, $new, '--users', users(qw(slow anna)), '--jobs', 2, '--timeout', 2);
    like $out, qr/\Aanna: .*\nslow: \S+: does not answer in time\n/, 'nobody waits for one before him in the file';
};

scene 'a server without STLS' => sub {
    plan(skip_all => 'TLS is not built in') if !features()->{tls};
    my $server = mailboxes(anna => box('a'));
    $server->{anything_goes} = 1;
    my $result = run([ program(), 'compare', '--old', $server->address, '--new', $server->address, '--users', users('anna') ], limit => 60);
    is exit_code($result->{status}), 2, 'nothing was compared';
    like $result->{out}, qr/\Aanna: \S+: refuses STLS; --tls no or --tls implicit works without it: -ERR/, 'the message names the mend';
};

scene 'words of a server: no password, no control character' => sub {
    my $old = mailboxes(anna => box('a'));
    my $new = server(on => { PASS => sub { "-ERR \e[31mno $_[1]\r\n" } }, anything_goes => 1);
    my ($code, $out) = compare($old, $new, '--users', users('anna'));
    like $out, qr/\Aanna: \S+: refuses the login\n/, 'words with the password are left out';
    $new = server(on => { PASS => "-ERR \e[31mclosed\r\n" });
    ($code, $out) = compare($old, $new, '--users', users('anna'));
    like $out, qr/\Aanna: \S+: refuses the login: -ERR \?\[31mclosed\n/, 'others are shown without their escape';
};

scene 'the bar is for a terminal' => sub {
    installed('script') or plan(skip_all => 'script is not installed');
    my ($old, $new) = (mailboxes(%old), mailboxes(%new));
    my $command = join ' ', program(), 'compare', '--old', $old->address, '--new', $new->address, '--tls no --users', users(qw(anna bert)), '>/dev/null';
    my $result = run([ 'script', '-qec', $command, '/dev/null' ], limit => 30);
    like $result->{out}, qr/\r\[\.{30}\] 0 of 2 users.*\r\[#{30}\] 2 of 2 users/s, 'it grows';
    like $result->{out}, qr/\r\e\[K\z/, 'and is gone at the end';
};

scene 'mistakes of the user' => sub {
    my $server = server();
    my $said = sub {
        my ($text, @arguments) = @_;
        my $users = write_file(directory() . '/users', $text);
        my $result = run([ program(), 'compare', '--users', $users, @arguments ]);
        unlike $result->{err}, qr/sesame/, 'nothing of the file is repeated';
        return exit_code($result->{status}) . ' ' . $result->{err} =~ s/\Q$users\E/FILE/r;
    };
    my @servers = ('--old', $server->address, '--new', $server->address, '--tls', 'no');
    is $said->("anna sesame\n\nbert\n", @servers), "2 pop3.proxy: FILE: line 3 has no password after the login name; a line is: LOGIN PASSWORD\n", 'a line without a password';
    is $said->(" anna sesame\n", @servers), "2 pop3.proxy: FILE: line 1 begins with a blank; a line is: LOGIN PASSWORD\n", 'a blank first';
    is $said->("anna se\0same\n", @servers), "2 pop3.proxy: FILE: line 1 has a character that POP3 cannot send; a line is: LOGIN PASSWORD\n", 'a NUL';
    is $said->("\n", @servers), "2 pop3.proxy: FILE: there are no users in it\n", 'nobody';
    is $said->("a b\n", '--old', 'x'), "2 pop3.proxy: compare needs --new HOST[:PORT]; see pop3.proxy compare --help\n", 'one server';
    is $said->("a b\n", @servers, 'anna', 'sesame'), "2 pop3.proxy: compare: unexpected argument: options come with two hyphens, and passwords only from the file of users\n", 'a password as an argument';
    is $said->("a b\n", @servers, '--jobs', '0'), "2 pop3.proxy: --jobs 0: must be a number from 1 to 256\n", 'a number';
    is $said->("a b\n", @servers, '--old-tls', 'yes'), "2 pop3.proxy: --old-tls yes: must be no, stls or implicit\n", 'a word';
    is $said->("a b\n", @servers, '--nonsense'), "2 pop3.proxy: compare: unknown option --nonsense; see pop3.proxy compare --help\n", 'an unknown option';
    my $help = run([ program(), 'compare', '--help' ]);
    is exit_code($help->{status}), 0, '--help';
    my @options = map { $_->[1] } rows('compare/compare_option.def', 'COMPARE_OPTION');
    like $help->{out}, qr/--\Q$_\E\b/, "it has --$_" for grep { $_ ne 'help' } @options;
    my $manual = read_file("$FindBin::Bin/../man/pop3.proxy-operation.7");
    like $manual, qr/Fl -\Q$_\E\b/, "the manual has --$_" for grep { $_ ne 'help' } @options;
    is $server->connections, 0, 'no server was asked';
};

scene 'a full disk does not look like success' => sub {
    -e '/dev/full' or plan(skip_all => 'there is no /dev/full');
    my $server = mailboxes(anna => box('a'));
    open my $full, '>', '/dev/full' or die $!;
    my $result = run([ program(), 'compare', '--old', $server->address, '--new', $server->address, '--tls', 'no', '--users', users('anna') ],
        fds => { 1 => $full });
    is exit_code($result->{status}), 2, 'exit status';
    like $result->{err}, qr/standard output: No space left/, 'and why';
};

scene 'two Dovecots, over TLS' => sub {
    Pop3Test::Dovecot::program() && getpwuid $> or plan(skip_all => 'Dovecot is not installed');
    features()->{'server-tls'} && Pop3Test::Tls::has_openssl() or plan(skip_all => 'there is no TLS');
    my $ca       = Pop3Test::Tls::authority();
    my $identity = Pop3Test::Tls::identity(ca => $ca, name => 'mail', san => ['IP:127.0.0.1']);
    my @messages = map { "Subject: $_\n\n.\n" . 'body ' x $_ . "\n" } 1 .. 5;
    my ($old, $same) = map { Pop3Test::Dovecot->start(directory(0755), { identity => $identity }, @messages) } 1 .. 2;
    my $renamed = Pop3Test::Dovecot->start(directory(0755), { identity => $identity, more => "pop3_uidl_format = %08Xu%08Xv\n" }, @messages[ 0 .. 3 ]);
    my $users = write_file(directory() . '/users', "$Pop3Test::Dovecot::USER $Pop3Test::Dovecot::PASSWORD\n");
    my $between = sub {
        my ($new, $port, @more) = @_;
        my $result = run([ program(), 'compare', '--old', '127.0.0.1:' . $old->port, '--new', '127.0.0.1:' . $new->$port, '--hashes',
            '--users', $users, @more ], limit => 60);
        return exit_code($result->{status}) . ": $result->{out}$result->{err}";
    };
    my @trust = ('--ca', $ca->{certificate});
    like $between->($same, 'port', @trust), qr/\A0: 1 user,.*\n +1 has the same at both\n\z/, 'the same mail';
    is_deeply [ map { $_->flags } $old, $same ], [ map { ('') x @messages } 1 .. 2 ], 'no message is marked as read';
    like $between->($renamed, 'tls_port', @trust, '--new-tls', 'implicit'),
        qr/\A1: reader: downloads everything again, 4 messages: all UIDLs differ; 1 message missing at the new server\n/, 'other UIDLs, one message less';
    like $between->($same, 'port'), qr/\A2: reader: \S+: TLS failed: .*certificate/, 'a certificate that nobody vouches for';
    like $between->($same, 'port', '--no-verify'), qr/\A0: /, 'unless it does not matter';
    $_->stop for $old, $same, $renamed;
};

done;
