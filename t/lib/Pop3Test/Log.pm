# SPDX-License-Identifier: BSD-2-Clause
#
# A substitute for the syslog daemon: a datagram socket, whose path the product gets
# in POP3_PROXY_SYSLOG. A child reads the datagrams at once, because the kernel keeps
# only a few; the test gets them as parsed lines.

package Pop3Test::Log;

use strict;
use warnings;
use IO::Handle ();
use Socket qw(AF_UNIX SOCK_DGRAM pack_sockaddr_un);
use Pop3Test::Loop qw(watch_read wait_until);
use Pop3Test::Process ();

our @SEVERITIES = qw(emerg alert crit err warning notice info debug);

sub new {
    my ($class, $path) = @_;
    my $self = bless { path => $path, lines => [], in => '', markers => 0 }, $class;
    socket my $socket, AF_UNIX, SOCK_DGRAM, 0 or die "log socket: $!\n";
    bind $socket, pack_sockaddr_un($path) or die "log socket $path: $!\n";
    chmod 0666, $path;
    pipe my $read, my $write or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        Pop3Test::Process::keep_only(fileno $socket, fileno $write);
        _collect($socket, $write);
    }
    Pop3Test::Process::adopt($pid, 'log collector');
    close $write;
    $read->blocking(0);
    $self->{read} = $read;
    watch_read($read, sub { $self->_readable });
    return $self;
}

# The same from a log file, for tests that log more than the socket takes.
sub of_file {
    my ($class, $path) = @_;
    my $self = bless { file => $path, lines => [], in => '', at => 0 }, $class;
    Pop3Test::Loop::each_turn(sub { $self->_follow });
    return $self;
}

sub _follow {
    my ($self) = @_;
    my ($inode, $size) = (stat $self->{file})[ 1, 7 ] or return;
    $self->{at} = 0 if $inode != ($self->{inode} // 0);     # rotated
    $self->{inode} = $inode;
    return if $size <= $self->{at};
    open my $file, '<:raw', $self->{file} or return;
    seek $file, $self->{at}, 0;
    $self->{at} += read $file, $self->{in}, 1 << 24, length $self->{in};
    while ($self->{in} =~ s/\A([^\n]*)\n//) {
        push @{ $self->{lines} }, parse_of_file($1);
    }
    return;
}

# The child: turns datagrams into length-prefixed records until the test ends.
sub _collect {
    my ($socket, $write) = @_;
    $SIG{$_} = 'DEFAULT' for qw(CHLD ALRM PIPE TERM);
    $SIG{INT} = 'IGNORE';
    POSIX::nice(-10);   # if allowed: it must be faster than the writers
    open STDOUT, '>', '/dev/null';
    my $test = getppid;
    while (getppid == $test) {
        vec(my $ready = '', fileno $socket, 1) = 1;
        next if !select $ready, undef, undef, 5;
        next if !defined recv $socket, my $datagram, 65536, 0;
        my $record = pack('N', length $datagram) . $datagram;
        while (length $record) {
            my $put = syswrite $write, $record or POSIX::_exit(0);
            substr $record, 0, $put, '';
        }
    }
    POSIX::_exit(0);
}

sub path { return $_[0]{path} // '/no/socket' }

sub _readable {
    my ($self) = @_;
    sysread $self->{read}, $self->{in}, 65536, length $self->{in} or return;
    while (length $self->{in} >= 4) {
        my $length = unpack 'N', $self->{in};
        last if length $self->{in} < 4 + $length;
        my $text = substr $self->{in}, 4, $length;
        substr $self->{in}, 0, 4 + $length, '';
        if ($text =~ /\Amarker (\d+)\z/) { $self->{marker} = $1 }
        else                             { push @{ $self->{lines} }, parse($text) }
    }
    return;
}

# One line as a hash: raw, severity, pid, text, event, and in f all fields. A line that
# does not follow the format has the key malformed.
sub parse {
    my ($raw) = @_;
    my $line = { raw => $raw, f => {}, event => '' };
    my $format = qr/\A<(\d+)>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?pop3\.proxy\[(\d+)\]: (.*)\z/s;
    if ($raw !~ $format) {
        $line->{malformed} = 'frame';
        return $line;
    }
    @$line{qw(priority pid text)} = ($1, $2, $3);
    $line->{severity} = $SEVERITIES[ $line->{priority} & 7 ];
    my $rest = $line->{text};
    $line->{malformed} = 'octets' if $rest =~ /[^\x20-\x7e]/;
    while ($rest =~ s/\A([a-z][a-z_0-9]*)=("[^"]*"|[^ "]*)(?: |\z)//) {
        $line->{malformed} = "repeated key $1" if exists $line->{f}{$1};
        $line->{f}{$1} = $2;
    }
    $line->{malformed} = 'fields' if length $rest;
    $line->{event} = $line->{f}{event} // '';
    return $line;
}

# The same for a line of a file, which begins with the time of RFC 3339 and the severity: key time.
sub parse_of_file {
    my ($raw) = @_;
    my $stamp = qr/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d/;
    my ($time, $severity, $rest) = $raw =~ /\A($stamp) ([a-z]+) (pop3\.proxy.*)\z/s
        or return { raw => $raw, f => {}, event => '', malformed => 'stamp' };
    my $short    = $severity eq 'error' ? 'err' : $severity;
    my ($number) = grep { $SEVERITIES[$_] eq $short } 0 .. $#SEVERITIES;
    my $line = parse('<' . (16 | ($number // 0)) . ">$rest");
    $line->{malformed} = 'severity' if !defined $number;
    return { %$line, raw => $raw, time => $time };
}

# All lines logged before this call, by any process.
sub lines {
    my ($self) = @_;
    if (defined $self->{file}) {
        $self->_follow;
        return @{ $self->{lines} };
    }
    my $marker = ++$self->{markers};
    socket my $socket, AF_UNIX, SOCK_DGRAM, 0 or die "socket: $!\n";
    send $socket, "marker $marker", 0, pack_sockaddr_un($self->{path}) or die "log marker: $!\n";
    wait_until(sub { ($self->{marker} // 0) >= $marker }, 10) or die "log: the marker was lost\n";
    return @{ $self->{lines} };
}

sub with_event { my ($self, $event) = @_; return grep { $_->{event} eq $event } $self->lines }

# The fields of the only session line of process $pid.
sub session_of {
    my ($self, $pid) = @_;
    my @found = grep { $_->{pid} == $pid } $self->with_event('session');
    die "log: " . @found . " session lines of process $pid\n" if @found != 1;
    return $found[0]{f};
}

# A value before it was escaped.
sub unescape {
    my ($value) = @_;
    $value =~ s/\A"(.*)"\z/$1/s;
    $value =~ s/\\x([0-9a-f]{2})/chr hex $1/ge;
    return $value;
}

1;
