# SPDX-License-Identifier: BSD-2-Clause
#
# Mail programs that poll without a pause, each in its own process: login, STAT, QUIT,
# and again, until they are told to stop. They count failures that a user would notice.
# Each poller is a user of its own: "poller1" and so on.

package Pop3Test::Pollers;

use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;
use List::Util ();
use POSIX ();
use Pop3Test::Loop qw(watch_read unwatch wait_until now);
use Pop3Test::Process ();

our $PATIENCE = 15;     # seconds for a single reply

# count, address (host:port), pause (seconds between two polls, 0), user (what the names begin with)
# denied    a pattern: a reply to PASS that matches is a poll that was denied, and no failure
sub new {
    my ($class, %option) = @_;
    my $self = bless { text => '', rows => [], ended => {}, processes => [], count => 4, pause => 0, user => 'poller', %option }, $class;
    pipe my $stop_read, my $stop_write or die "pipe: $!\n";
    pipe my $read, my $write or die "pipe: $!\n";
    for my $number (1 .. $self->{count}) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            Pop3Test::Process::keep_only(fileno $stop_read, fileno $write);
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
        $self->_take_rows;
    });
    return $self;
}

sub _reply {
    my ($socket, $denied) = @_;
    my $line = '';
    my $select = IO::Select->new($socket);
    while ($line !~ /\n\z/) {
        $select->can_read($PATIENCE) or die "no reply in time\n";
        sysread $socket, $line, 512, length $line or die "closed\n";
    }
    return 'denied' if defined $denied && $line =~ $denied;
    $line =~ /\A\+OK[^\r\n]*\r\n\z/ or die "got $line";
    return 'fine';
}

sub _session {
    my ($self, $socket, $number) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $what = 'greeting';
    my $row;
    eval {
        $row = _reply($socket);
        for my $command ("USER $self->{user}$number", 'PASS x', 'STAT', 'QUIT') {
            $what = $command;
            syswrite $socket, "$command\r\n" or die "write: $!\n";
            $row = _reply($socket, $command =~ /^PASS/ ? $self->{denied} : undef);
            return 1 if $row eq 'denied';
        }
        $what = 'end';
        sysread $socket, my $rest, 1 and die "octets after the end\n";
        1;
    } or die "$what: $@";
    return $row;
}

sub _poll {
    my ($self, $number, $stop, $write) = @_;
    $SIG{$_} = 'DEFAULT' for qw(CHLD ALRM TERM);
    my ($host, $port) = $self->{address} =~ /^\[?(.*?)\]?:(\d+)\z/;
    my $stopped = IO::Select->new($stop);
    while (!$stopped->can_read($self->{pause})) {
        my $begin  = now();
        my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Proto => 'tcp');
        my $row = !$socket ? "refused $!" : eval { $self->_session($socket, $number) } // "broken $@";
        $row =~ s/[\r\n]+/ /g;
        syswrite $write, sprintf "%.4f %d %s\n", now() - $begin, $number, $row;
    }
    return;
}

# Each whole line is a poll: [seconds, number of the poller, how it ended, remark].
sub _take_rows {
    my ($self) = @_;
    while ($self->{text} =~ s/\A([^\n]*)\n//) {
        my @row = split / /, $1, 4;
        push @{ $self->{rows} }, \@row;
        $self->{ended}{ $row[2] }{ $row[1] }++;
    }
    return;
}

# How many polls have ended so: fine, denied, refused, broken.
sub count { my ($self, $how) = @_; return List::Util::sum0(values %{ $self->{ended}{$how} }) }

# Waits until $count more polls have ended.
sub more {
    my ($self, $count) = @_;
    my $wanted = @{ $self->{rows} } + $count;
    wait_until(sub { @{ $self->{rows} } >= $wanted }, 60) or die "the pollers stand still\n";
    return $self;
}

# Waits until each poller has ended two more polls so: it began the second one after this call.
sub round {
    my ($self, $how) = @_;
    my $ended = $self->{ended}{$how} //= {};
    my %from  = %$ended;
    wait_until(sub { !grep { ($ended->{$_} // 0) < ($from{$_} // 0) + 2 } 1 .. $self->{count} }, 60) or die "the pollers stand still\n";
    return $self;
}

# Ends them: {sessions, denied, refused, broken, worst, remarks}
sub stop {
    my ($self) = @_;
    close delete $self->{stop};
    $_->wait(30) // $_->destroy for @{ $self->{processes} };
    Pop3Test::Loop::turn(0) for 1 .. 5;
    my @rows = @{ $self->{rows} };
    my ($worst) = sort { $b <=> $a } map { $_->[0] } @rows;
    my @wrong = grep { $_->[2] !~ /^(?:fine|denied)$/ } @rows;
    return {
        sessions => scalar @rows,
        (map { $_ => $self->count($_) } qw(denied refused broken)),
        worst    => $worst // 0,
        remarks  => join('; ', map { join ' ', @$_ } @wrong[ 0 .. ($#wrong < 4 ? $#wrong : 4) ]),
    };
}

1;
