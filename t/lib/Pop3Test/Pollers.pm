# SPDX-License-Identifier: BSD-2-Clause
#
# Mail programs that poll without a pause, each in its own process: login, STAT, QUIT,
# and again, until they are told to stop. They count failures that a user would notice.

package Pop3Test::Pollers;

use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use POSIX ();
use Pop3Test::Loop qw(watch_read unwatch wait_until now);
use Pop3Test::Process ();

our $PATIENCE = 15;     # seconds for a single reply

# count, address (host:port), pause (seconds between two polls, 0)
sub new {
    my ($class, %option) = @_;
    my $self = bless { text => '', processes => [], count => 4, pause => 0, %option }, $class;
    pipe my $stop_read, my $stop_write or die "pipe: $!\n";
    pipe my $read, my $write or die "pipe: $!\n";
    for my $number (1 .. $self->{count}) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            close $stop_write;
            $self->_poll($number, $stop_read, $write);
            POSIX::_exit(0);
        }
        push @{ $self->{processes} }, Pop3Test::Process::adopt($pid, 'poller');
    }
    @$self{qw(stop read)} = ($stop_write, $read);
    $read->blocking(0);
    watch_read($read, sub {
        my $got = sysread $read, $self->{text}, 65536, length $self->{text};
        unwatch($read) if defined $got && !$got;
    });
    return $self;
}

sub _reply {
    my ($socket) = @_;
    my $line = '';
    my $select = IO::Select->new($socket);
    while ($line !~ /\n\z/) {
        $select->can_read($PATIENCE) or die "no reply in time\n";
        sysread $socket, $line, 512, length $line or die "closed\n";
    }
    $line =~ /\A\+OK[^\r\n]*\r\n\z/ or die "got $line";
    return $line;
}

sub _session {
    my ($self, $socket, $number) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $what = 'greeting';
    eval {
        _reply($socket);
        for my $command ("USER poller$number", 'PASS x', 'STAT', 'QUIT') {
            $what = $command;
            syswrite $socket, "$command\r\n" or die "write: $!\n";
            _reply($socket);
        }
        $what = 'end';
        sysread $socket, my $rest, 1 and die "octets after the end\n";
        1;
    } or die "$what: $@";
    return;
}

sub _poll {
    my ($self, $number, $stop, $write) = @_;
    $SIG{$_} = 'DEFAULT' for qw(CHLD ALRM TERM);
    my ($host, $port) = $self->{address} =~ /^\[?(.*?)\]?:(\d+)\z/;
    my $stopped = IO::Select->new($stop);
    while (!$stopped->can_read($self->{pause})) {
        my $begin  = now();
        my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Proto => 'tcp');
        my $row = !$socket ? "refused $!" : eval { $self->_session($socket, $number); 1 } ? 'fine' : "broken $@";
        $row =~ s/[\r\n]+/ /g;
        syswrite $write, sprintf "%.4f %s\n", now() - $begin, $row;
    }
    return;
}

sub _rows { my ($self) = @_; return map { [ split / /, $_, 3 ] } split /\n/, $self->{text} =~ s/[^\n]*\z//r }

# Waits until $count more polls have ended.
sub more {
    my ($self, $count) = @_;
    my $wanted = $count + (() = $self->{text} =~ /\n/g);
    wait_until(sub { (() = $self->{text} =~ /\n/g) >= $wanted }, 60) or die "the pollers stand still\n";
    return $self;
}

# Ends them: {sessions, refused, broken, worst, remarks}
sub stop {
    my ($self) = @_;
    close delete $self->{stop};
    $_->wait(30) // $_->destroy for @{ $self->{processes} };
    Pop3Test::Loop::turn(0) for 1 .. 5;
    my @rows = $self->_rows;
    my ($worst) = sort { $b <=> $a } map { $_->[0] } @rows;
    my @wrong = grep { $_->[1] ne 'fine' } @rows;
    return {
        sessions => scalar @rows,
        refused  => scalar(grep { $_->[1] eq 'refused' } @rows),
        broken   => scalar(grep { $_->[1] eq 'broken' } @rows),
        worst    => $worst // 0,
        remarks  => join('; ', map { join ' ', @$_ } @wrong[ 0 .. ($#wrong < 4 ? $#wrong : 4) ]),
    };
}

1;
