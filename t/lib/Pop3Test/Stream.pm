# SPDX-License-Identifier: BSD-2-Clause
#
# A connection of a test, on either side of the proxy. Writing never blocks, and what
# arrives is collected in the background. A reading method waits up to a limit and
# then dies, so a test never hangs and never goes on with half a reply.

package Pop3Test::Stream;

use strict;
use warnings;
use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use IO::Handle ();
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY unpack_sockaddr_in6);
use Pop3Test::Loop qw(watch_read watch_write unwatch wait_until now);

# wfh: another descriptor to write to (pipes).
sub new {
    my ($class, $fh, %option) = @_;
    my $self = bless {
        name => 'stream', in => '', all => '', out => '', eof => 0, fh => $fh, wfh => $fh, %option,
    }, $class;
    $_->blocking(0) for $self->{fh}, $self->{wfh};
    setsockopt $fh, IPPROTO_TCP, TCP_NODELAY, 1 if $self->{tcp};
    $self->resume;
    return $self;
}

# Stops and restarts reading: a peer that does not read what it is sent.
sub hold { my ($self) = @_; unwatch($self->{fh}, 'read'); return $self }

sub resume {
    my ($self) = @_;
    watch_read($self->{fh}, sub { $self->_readable }) if $self->{fh} && !$self->{eof};
    return $self;
}

sub _readable {
    my ($self) = @_;
    my $got = sysread $self->{fh}, my $octets, 65536;
    return if !defined $got && ($!{EAGAIN} || $!{EINTR} || $!{EWOULDBLOCK});
    if (!$got) {
        $self->{eof} = now();
        $self->{reset} = 1 if !defined $got;
        unwatch($self->{fh}, 'read');
    } else {
        $self->{in}  .= $octets;
        $self->{all} .= $octets if !$self->{forget};
    }
    $self->{on_input}->($self) if $self->{on_input};
    return;
}

sub _writable {
    my ($self) = @_;
    my $put = syswrite $self->{wfh}, $self->{out}, 262144;
    if (defined $put) {
        substr $self->{out}, 0, $put, '';
    } elsif (!$!{EAGAIN} && !$!{EINTR} && !$!{EWOULDBLOCK}) {
        $self->{broken} = "$!";
        $self->{out}    = '';
    }
    if (length $self->{out}) {
        watch_write($self->{wfh}, sub { $self->_writable });
    } else {
        unwatch($self->{wfh}, 'write');
        $self->_end_of_output;
    }
    return;
}

# Does what was ordered for the time after the last octet.
sub _end_of_output {
    my ($self) = @_;
    return if length $self->{out} || !$self->{wfh};
    return $self->close if delete $self->{close_when_sent};
    return if !delete $self->{half_close};
    return shutdown $self->{wfh}, 1 if -S $self->{wfh};
    unwatch($self->{wfh});
    close delete $self->{wfh};
    return;
}

# Sends these octets, the rest in the background if the other end does not take all
# of them now.
sub send {
    my ($self, @octets) = @_;
    return $self if !$self->{wfh};
    $self->{out} .= join '', @octets;
    $self->_writable if length $self->{out};
    return $self;
}

sub send_line { my ($self, $line) = @_; return $self->send("$line\r\n") }

# Waits until the kernel has taken everything given to send().
sub sent {
    my ($self, $limit) = @_;
    return wait_until(sub { !length $self->{out} }, $limit) // $self->_late('sent');
}

# Ends our direction after the last octet given to send().
sub half_close {
    my ($self) = @_;
    $self->{half_close} = 1;
    $self->_end_of_output;
    return $self;
}

# Closes the connection after the last octet given to send().
sub close_when_sent {
    my ($self) = @_;
    $self->{close_when_sent} = 1;
    $self->_end_of_output;
    return $self;
}

sub close {
    my ($self) = @_;
    for my $fh (grep { defined } delete @{$self}{qw(fh wfh)}) {
        next if !defined fileno $fh;
        unwatch($fh);
        close $fh;
    }
    $self->{eof} ||= now();
    return $self;
}

# Closes with a reset instead of a FIN.
sub reset {
    my ($self) = @_;
    setsockopt $self->{fh}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
    return $self->close;
}

sub is_open { my ($self) = @_; return !$self->{eof} }

sub _late {
    my ($self, $what) = @_;
    my $have = Pop3Test::Stream::show($self->{in});
    my $state = $self->{eof} ? 'closed' : 'no answer in time';
    die "$self->{name}: waiting for $what: $state; unread: \"$have\"\n";
}

# Printable form of octets for messages; long ones are cut in the middle.
sub show {
    my ($octets) = @_;
    $octets = substr($octets, 0, 200) . '...' . substr $octets, -100 if length $octets > 320;
    $octets =~ s/\r/\\r/g;
    $octets =~ s/\n/\\n/g;
    $octets =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
    return $octets;
}

# The next $count octets.
sub octets {
    my ($self, $count, $limit) = @_;
    wait_until(sub { length $self->{in} >= $count || $self->{eof} }, $limit);
    $self->_late("$count octets") if length $self->{in} < $count;
    return substr $self->{in}, 0, $count, '';
}

# The next line with its line end.
sub raw_line {
    my ($self, $limit) = @_;
    wait_until(sub { index($self->{in}, "\n") >= 0 || $self->{eof} }, $limit);
    my $end = index $self->{in}, "\n";
    $self->_late('a line') if $end < 0;
    return substr $self->{in}, 0, $end + 1, '';
}

# The next line without its CRLF; anything but CRLF at its end is an error.
sub line {
    my ($self, $limit) = @_;
    my $line = $self->raw_line($limit);
    $line =~ s/\r\n\z// or die "$self->{name}: a line without CRLF: " . show($line) . "\n";
    return $line;
}

# Waits for these very octets as the next ones.
sub expect {
    my ($self, $octets, $limit) = @_;
    my $got = $self->octets(length $octets, $limit);
    die "$self->{name}: expected \"" . show($octets) . '", got "' . show($got) . "\"\n" if $got ne $octets;
    return $self;
}

# Everything until the other end closes.
sub rest {
    my ($self, $limit) = @_;
    wait_until(sub { $self->{eof} }, $limit) or $self->_late('the end');
    my $rest = $self->{in};
    $self->{in} = '';
    return $rest;
}

# True if the other end closes within the limit without another octet.
sub closes {
    my ($self, $limit) = @_;
    my $rest = $self->rest($limit);
    die "$self->{name}: octets before the end: " . show($rest) . "\n" if length $rest;
    return 1;
}

# True if nothing arrives for $seconds, neither an octet nor the end.
sub quiet {
    my ($self, $seconds) = @_;
    return !wait_until(sub { length $self->{in} || $self->{eof} }, $seconds);
}

# Every octet received so far, read or not.
sub received { my ($self) = @_; return $self->{all} }

# Waits until the process at the other end has read all we sent. If the kernel cannot say
# this, a short pause replaces it: the test then proves less, but does not fail.
sub taken {
    my ($self) = @_;
    $self->sent;
    my @ends = map { Socket::sockaddr_family($_) == AF_INET ? [ unpack_sockaddr_in($_) ] : [ (unpack_sockaddr_in6($_))[ 0, 1 ] ] }
        getpeername $self->{fh}, getsockname $self->{fh};
    if (!defined _unread(@ends)) {
        Pop3Test::Loop::pause(0.03);
        return $self;
    }
    # Asking for the queue costs little; sleeping each time would take long.
    my $end = now() + $Pop3Test::Loop::LIMIT;
    while (_unread(@ends)) {
        die "$self->{name}: not read in time\n" if now() > $end;
        Pop3Test::Loop::turn(0.001);
    }
    return $self;
}

my $diag;   # the kernel's answers about sockets (NETLINK_SOCK_DIAG), 0: none here

# Octets in the receive queue of the socket at $local that is connected to $remote, both
# [port, address]; 0 if the socket is gone, undef if the kernel does not say. What is sent
# over loopback is in that queue when send() returns.
sub _unread {
    my ($local, $remote) = @_;
    if (!defined $diag) {
        socket($diag, 16, SOCK_RAW, 4) or $diag = 0;
    }
    return if !$diag;
    my $family  = length $local->[1] == 4 ? AF_INET : AF_INET6;
    my $request = pack('CCCx L nn a16 a16 L LL', $family, IPPROTO_TCP, 0, 0xffffffff, $local->[0], $remote->[0],
        $local->[1], $remote->[1], 0, 0xffffffff, 0xffffffff);
    CORE::send($diag, pack('LSSLL', 16 + length $request, 20, 1, 1, 0) . $request, 0) or return;
    defined recv $diag, my $answer, 8192, 0 or return;
    my $type = unpack 'x4 S', $answer;
    return $type == 20 ? unpack 'x72 L', $answer : 0;     # idiag_rqueue
}

1;
