# SPDX-License-Identifier: BSD-2-Clause
#
# The mail that a soak reads, and processes that serve it: a fake POP3 server that forks for each
# connection, which may be killed and started again on its port, and one that misbehaves.

package Pop3Test::Soak::Mail;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(O_WRONLY O_APPEND O_CREAT);
use IO::Socket::IP;
use POSIX ();
use Pop3Test::Process qw(fork_off);

our @EXPORT_OK = qw(mailbox wire);

# The octets of all messages, with CRLF line ends: short and long ones, and lines that begin with dots.
sub mailbox {
    my @sizes = (60, 900, 5_000, 70_000, 300_000, 20, 2_000, 12_000);
    return map { _message($_, $sizes[$_]) } 0 .. $#sizes;
}

sub _message {
    my ($number, $octets) = @_;
    my $text = "Subject: number $number\r\n\r\n";
    for (my $line = 0; length $text < $octets; $line++) {
        $text .= ($line % 7 ? '' : '.' x ($line % 3 + 1)) . "line $line of message $number " . 'x' x ($line * 13 % 70) . "\r\n";
    }
    return $text;
}

sub wire { my ($message) = @_; return $message =~ s/^\./../mgr . ".\r\n" }

# port   where to listen; 0: any
# record a file to which each QUIT appends the user and how many messages it deleted
# is_bad it misbehaves: hangs up, sends nonsense, is slow
# seed   of what it does then
sub new {
    my ($class, %option) = @_;
    return bless { port => 0, %option }, $class;
}

sub address { return "127.0.0.1:$_[0]{port}" }

sub start {
    my ($self) = @_;
    my $listener = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => $self->{port}, Proto => 'tcp', ReuseAddr => 1,
        Listen => 128) or die "cannot listen on 127.0.0.1:$self->{port}: $@\n";
    $self->{port} = $listener->sockport;
    $self->{process} = fork_off('server', sub { $self->_accept($listener) });
    close $listener;
    return $self;
}

# With all its connections.
sub kill { my ($self) = @_; $self->{process}->destroy; return }

sub is_running { my ($self) = @_; return $self->{process}->is_running }

sub _accept {
    my ($self, $listener) = @_;
    local $SIG{CHLD} = 'IGNORE';
    my $number = 0;
    while (1) {
        my $socket = $listener->accept or next;
        $number++;
        my $pid = fork // next;
        if (!$pid) {
            close $listener;
            srand($self->{seed} * 7919 + $number) if $self->{is_bad};
            eval { $self->_serve($socket); 1 };
            POSIX::_exit(0);
        }
        close $socket;
    }
}

sub _serve {
    my ($self, $socket) = @_;
    my @messages = mailbox();
    my ($user, %deleted) = ('-');
    my $say = sub { $self->_say($socket, @_) };
    $say->("+OK ready\r\n");
    while (defined(my $line = <$socket>)) {
        my ($verb, $number) = $line =~ /\A([A-Z]+)(?: (\S+))?/ or die "no command\n";
        my $message = $number && $number =~ /\A\d+\z/ && !$deleted{$number} ? $messages[ $number - 1 ] : undef;
        my @present = grep { !$deleted{$_} } 1 .. @messages;
        if    ($verb eq 'USER') { $user = $number; $say->("+OK\r\n") }
        elsif ($verb eq 'STAT') { $say->('+OK ' . @present . " 1000\r\n") }
        elsif ($verb eq 'LIST') { $say->(join '', "+OK\r\n", (map { "$_ " . length($messages[ $_ - 1 ]) . "\r\n" } @present), ".\r\n") }
        elsif ($verb eq 'RETR') { $say->(defined $message ? "+OK\r\n" . wire($message) : "-ERR none\r\n") }
        elsif ($verb eq 'DELE') { $deleted{$number} = 1 if defined $message; $say->(defined $message ? "+OK\r\n" : "-ERR none\r\n") }
        elsif ($verb eq 'QUIT') {
            $self->_record($user, scalar keys %deleted);
            $say->("+OK bye\r\n");
            return;
        }
        else { $say->($verb =~ /\A(?:PASS|NOOP|RSET)\z/ ? "+OK\r\n" : "-ERR unknown\r\n") }
    }
    return;
}

sub _say {
    my ($self, $socket, $octets) = @_;
    if ($self->{is_bad} && rand() < 0.15) {
        my $way = int rand 5;
        die "hangs up\n" if $way == 0;
        $octets = substr $octets, 0, rand length $octets if $way == 1;
        $octets .= "+OK spare\r\n" if $way == 2;
        $octets = join '', map { chr rand 256 } 1 .. 200 if $way == 3;
        select undef, undef, undef, rand 1 if $way == 4;
    }
    print {$socket} $octets or die "gone\n";
    $socket->flush;
    return;
}

sub _record {
    my ($self, $user, $deleted) = @_;
    sysopen my $file, $self->{record}, O_WRONLY | O_APPEND | O_CREAT or die $!;
    syswrite $file, "$user $deleted\n";
    return;
}

1;
