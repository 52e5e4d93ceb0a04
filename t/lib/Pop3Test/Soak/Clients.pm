# SPDX-License-Identifier: BSD-2-Clause
#
# The clients of a soak: each is a process that has one session after the other and writes a line about
# each to a pipe, separated by tabs:
#
#   time kind user state detail retrieved deleted
#
# States: done (QUIT was answered), refused (a reply of the proxy before the login), lost (it ended after
# the login), closed (it ended before the login, without a word), unreachable (no connection), corrupt
# (octets of a message were changed), hung (no answer in time), hostile (the client itself broke off).

package Pop3Test::Soak::Clients;

use strict;
use warnings;
use IO::Socket::IP;
use POSIX ();
use Time::HiRes ();
use Pop3Test::Dovecot;
use Pop3Test::Process qw(fork_off);
use Pop3Test::Soak::Mail qw(mailbox wire);

use constant ANSWER_S => 90;

my @messages;
my $user_number = 0;

# start(kind => ..., number => ..., seed => ..., addresses => [...], domains => [...], write => $fh): the
# process, which goes on until it gets TERM, and then ends after its session.
sub start {
    my ($class, %option) = @_;
    return fork_off("client $option{number}", sub { _run(\%option) });
}

sub _run {
    my ($option) = @_;
    my $is_over = 0;
    $SIG{TERM} = sub { $is_over = 1 };
    $SIG{PIPE} = 'IGNORE';
    srand($option->{seed} * 1000 + $option->{number});
    @messages = mailbox();
    my $act = __PACKAGE__->can("_$option->{kind}");
    while (!$is_over) {
        my $session = { retrieved => 0, deleted => 0, in => '', is_in => 0, user => _user($option) };
        my $finished = eval { _connect($session, $option); $act->($session); 1 };
        my ($state, $detail) = $finished ? ('done', '') : $@ =~ /\A(\w+): (.*)/ ? ($1, $2) : ('broken', $@);
        close $session->{socket} if $session->{socket};
        syswrite $option->{write}, join("\t", Time::HiRes::time(), $option->{kind}, $session->{user}, $state, $detail =~ s/\s+/ /gr,
            $session->{retrieved}, $session->{deleted}) . "\n";
        _pause(rand 0.2);
    }
    return;
}

sub _user {
    my ($option) = @_;
    my $domain = $option->{domains}[ rand @{ $option->{domains} } ];
    return sprintf '%s%d-%d@%s', substr($option->{kind}, 0, 1), $option->{number}, ++$user_number, $domain;
}

sub _pause { my ($seconds) = @_; select undef, undef, undef, $seconds; return }

sub _connect {
    my ($session, $option) = @_;
    my ($host, $port) = split /:/, $option->{addresses}[ rand @{ $option->{addresses} } ];
    $session->{socket} = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Proto => 'tcp',
        LocalHost => '127.0.' . (1 + $option->{number} % 200) . '.1') or die "unreachable: $@\n";
    return;
}

sub _more {
    my ($session) = @_;
    vec(my $ready = '', fileno $session->{socket}, 1) = 1;
    my $until = Time::HiRes::time() + ANSWER_S;
    while (1) {
        my $left = $until - Time::HiRes::time();
        die "hung: no answer\n" if $left <= 0;
        my $copy = $ready;
        last if select($copy, undef, undef, $left) > 0;
    }
    return if sysread $session->{socket}, $session->{in}, 65536, length $session->{in};
    die $session->{is_in} ? "lost: closed\n" : "closed: without a word\n";
}

sub _line {
    my ($session) = @_;
    _more($session) while $session->{in} !~ /\n/;
    $session->{in} =~ s/\A(.*?)\r?\n//;
    return $1;
}

sub _send { my ($session, $octets) = @_; syswrite $session->{socket}, $octets; return }

# The reply, which must be +OK.
sub _ask {
    my ($session, $command) = @_;
    _send($session, "$command\r\n");
    my $line = _line($session);
    return $line if $line =~ /\A\+OK/;
    die $session->{is_in} ? "lost: $line\n" : "refused: $line\n";
}

sub _login {
    my ($session) = @_;
    my $greeting = _line($session);
    die "refused: $greeting\n" if $greeting !~ /\A\+OK/;
    _ask($session, "USER $session->{user}");
    _ask($session, "PASS $Pop3Test::Dovecot::PASSWORD");
    $session->{is_in} = 1;
    return;
}

sub _retrieve {
    my ($session, $number) = @_;
    _ask($session, "RETR $number");
    my $whole = wire($messages[ $number - 1 ]);
    _more($session) while length $session->{in} < length $whole && $session->{in} !~ /(?:\A|\r\n)\.\r\n/;
    my $got = substr $session->{in}, 0, length $whole, '';
    if ($got ne $whole && $session->{user} !~ /\@bad\z/) {
        die $got =~ /-ERR [^\r\n]*\r\n\z/ ? "lost: inside a message\n" : "corrupt: message $number\n";
    }
    $session->{retrieved}++;
    return;
}

sub _poller {
    my ($session) = @_;
    _login($session);
    _ask($session, 'STAT');
    _ask($session, 'QUIT');
    return;
}

# Deletes nothing where all users share one mailbox.
sub _fetcher {
    my ($session) = @_;
    my $is_shared = $session->{user} =~ /\@dove\z/;
    _login($session);
    for (1 .. 1 + rand 4) {
        my $number = 1 + int rand @messages;
        next if $session->{gone}{$number};
        _retrieve($session, $number);
        next if $is_shared || rand() < 0.5;
        _ask($session, "DELE $number");
        $session->{gone}{$number} = 1;
        $session->{deleted}++;
    }
    _ask($session, 'QUIT');
    return;
}

sub _idler {
    my ($session) = @_;
    _login($session);
    for (1 .. 3) {
        _pause(rand 2);
        _ask($session, 'NOOP');
    }
    _ask($session, 'QUIT');
    return;
}

my @hostile = (
    sub { },
    sub { _send($_[0], join '', map { chr rand 256 } 1 .. 3000) },
    sub { _send($_[0], 'x' x 100_000) },
    sub { _send($_[0], "USER $_[0]{user}\r\nPA"); _pause(rand 1) },
    sub { _login($_[0]); _send($_[0], "RETR 5\r\n") },
    sub { _login($_[0]); _send($_[0], "RETR 5\r\nRETR 5\r\nRETR 5\r\nNOOP\r\n"); _pause(rand 1) },
    sub { _login($_[0]); _send($_[0], "STLS\r\nAUTH\r\nXXXX\r\nUSER x\r\nUSER y\r\nDELE 0\r\nDELE 99\r\n") },
    sub { _send($_[0], "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\nQUIT\r\n"); _line($_[0]) },
);

sub _hostile {
    my ($session) = @_;
    eval { $hostile[ rand @hostile ]->($session); 1 };
    # A reset instead of an end, half the time.
    setsockopt $session->{socket}, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack 'ii', 1, 0 if rand() < 0.5;
    die "hostile: broke off\n";
}

1;
