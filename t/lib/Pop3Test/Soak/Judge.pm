# SPDX-License-Identifier: BSD-2-Clause
#
# What must hold after a soak, whatever happened in it: the sessions as the clients saw them are compared
# with the log and with what the servers recorded; processes, descriptors, memory and places with what
# was there at the start. A session may have ended early only for a reason that a fault explains.

package Pop3Test::Soak::Judge;

use strict;
use warnings;
use Pop3Test::Log;
use Pop3Test::Loop qw(wait_until);
use Pop3Test::Process qw(descriptors descendants exit_code facts is_alive);

use constant { MEMORY_MORE_KIB => 4096, DESCRIPTORS_MORE => 4, EXAMPLES => 5 };

sub new {
    my ($class, %option) = @_;
    return bless { violations => [], excused => {}, %option }, $class;
}

# A line of a client.
sub session {
    my ($line) = @_;
    my %session;
    @session{qw(time kind user state detail retrieved deleted)} = split /\t/, $line, -1;
    return \%session;
}

sub violation { my ($self, @text) = @_; push @{ $self->{violations} }, join '', @text; return }
sub violations { my ($self) = @_; return scalar @{ $self->{violations} } }

# ---- what the server holds ----

sub _memory {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/smaps_rollup" or return 0;
    local $/;
    return <$file> =~ /^Anonymous:\s+(\d+)/m ? $1 : 0;
}

sub _measure {
    my ($pid) = @_;
    return { descriptors => scalar(descriptors($pid)), memory => _memory($pid) };
}

# Keeps what the master and its status process hold now.
sub remember {
    my ($self) = @_;
    my $master = $self->{master};
    $self->{before} = { master => _measure($master->pid), status => _measure($master->status_pid), children => scalar($master->children) };
    return;
}

# After the last session: places are free, old processes are gone, and nothing has grown. Then it stops
# the server.
sub quiet {
    my ($self, $is_running) = @_;
    my $master = $self->{master};
    if ($is_running) {
        $self->_quiet_places($master);
        $self->_quiet_processes($master);
    }
    $master->signal('TERM') if $master->is_running;
    my $status = $master->wait(60);
    $self->violation('the master did not end in order: ', exit_code($status)) if !defined $status || $status;
    wait_until(sub { !_products() }, 20) or $self->violation('processes that go on: ', join ' ', _products());
    kill 'KILL', _products();
    return;
}

sub _products { return grep { $_ != $$ && (facts($_)->{Name} // '') =~ /^pop3[.:]/ && is_alive($_) } descendants($$) }

sub _quiet_places {
    my ($self, $master) = @_;
    my $status = $master->shows(sub { !@{ $_[0]{sessions} } }, 90);
    $self->violation('places that stay taken: ', scalar @{ $master->status->{sessions} }) if !$status;
    return;
}

sub _quiet_processes {
    my ($self, $master) = @_;
    my $others = sub { my %own = map { $_ => 1 } descendants($master->pid); return grep { !$own{$_} } _products() };
    my @left;
    wait_until(sub { !(@left = $others->()) }, 90) or $self->violation("masters of before that go on: @left");
    my $now = { master => _measure($master->pid), status => _measure($master->status_pid) };
    for my $name (sort keys %$now) {
        my ($was, $is) = ($self->{before}{$name}, $now->{$name});
        $self->violation("descriptors of the $name: $was->{descriptors} at first, $is->{descriptors} at the end")
            if $is->{descriptors} > $was->{descriptors} + DESCRIPTORS_MORE;
        $self->violation("memory of the $name: $was->{memory} KiB at first, $is->{memory} KiB at the end")
            if !$self->{reports} && $is->{memory} > $was->{memory} + MEMORY_MORE_KIB;
    }
    wait_until(sub { $master->children <= $self->{before}{children} + 8 }, 90)
        or $self->violation('processes: ', scalar $master->children, ", at first $self->{before}{children}");
    return;
}

# The reports of a sanitized program: the first line of each that says what is wrong.
sub sanitizers {
    my ($self) = @_;
    for my $path (glob "$self->{reports}/*") {
        open my $file, '<', $path or next;
        my ($what) = grep { /ERROR|SUMMARY|runtime error/ } <$file>;
        $self->violation("$path: ", ($what // 'a report') =~ s/\s+\z//r);
    }
    return;
}

# ---- what the clients saw, and what the log says ----

sub _read_logs {
    my ($self) = @_;
    my @lines;
    for my $path (reverse $self->{faults}->logs) {
        open my $file, '<', $path or next;
        while (my $line = <$file>) {
            chomp $line;
            push @lines, Pop3Test::Log::parse_of_file($line);
        }
    }
    return @lines;
}

sub count {
    my ($self) = @_;
    my $faults = $self->{faults};
    $self->{lines_lost} = 0;
    for my $line ($self->_read_logs) {
        my $event = $line->{event};
        $self->violation("a line of the log: $line->{raw}") if $line->{malformed} && $event ne 'repeated';
        $self->{lines_lost} += $line->{f}{count} // $line->{f}{lines} // 1 if $event eq 'log-lines-lost';
        $self->{repeated} += $line->{f}{count} // 0 if $event eq 'repeated';
        push @{ $self->{line_of}{ $line->{f}{user} } }, $line
            if $event =~ /\A(?:session|session-lost|worker-died)\z/ && defined $line->{f}{user};
        $self->violation("a process ended that nobody killed: $line->{raw}")
            if $event eq 'worker-died' && !$faults->is_killed($line->{f}{pid}) && ($line->{f}{signal} // '') ne '"Killed"';
        $self->violation("the log says: $line->{raw}") if $event eq 'tampering';
    }
    $self->_judge($_) for @{ $self->{sessions} };
    $self->violation(scalar keys %{ $self->{missing} }, ' sessions without a line, and ', $self->{lines_lost}, ' lines counted as lost: ',
        join ' ', (sort keys %{ $self->{missing} })[ 0 .. 4 ]) if keys %{ $self->{missing} || {} } > $self->{lines_lost};
    $self->_deletions;
    return;
}

sub _judge {
    my ($self, $session) = @_;
    my ($state, $user) = @$session{qw(state user)};
    $self->{states}{$state}++;
    return $self->_judge_done($session) if $state eq 'done';
    return if $state eq 'hostile' || $state eq 'refused';
    my $cause = $self->_cause($session);
    return $self->{excused}{$cause}++ if defined $cause;
    my ($line) = @{ $self->{line_of}{$user} || [] };
    $self->violation("$state: $session->{kind} $user $session->{detail}; ", $line ? $line->{raw} : 'no line of the log');
    return;
}

# It is in the log once, with what the client did. It has lost its line where its process was killed
# before it wrote it.
sub _judge_done {
    my ($self, $session) = @_;
    my @lines = @{ $self->{line_of}{ $session->{user} } || [] };
    my ($line) = grep { $_->{event} eq 'session' } @lines;
    if (!$line) {
        return if @lines || $self->{faults}->explains(qr/^worker killed/, $session->{time}, 3);
        $self->{missing}{ $session->{user} } = 1;
        return;
    }
    $self->violation("in the log more than once: $line->{raw}") if @lines > 1;
    $self->violation("deleted=$session->{deleted} retrieved=$session->{retrieved} for the client; $line->{raw}")
        if $line->{f}{reason} ne 'quit' || $line->{f}{deleted} != $session->{deleted} || $line->{f}{retrieved} != $session->{retrieved};
    return;
}

# What explains that a session ended early; undef: nothing.
sub _cause {
    my ($self, $session) = @_;
    my $faults = $self->{faults};
    return if $session->{state} eq 'corrupt' || $session->{state} eq 'unreachable';
    my ($line) = @{ $self->{line_of}{ $session->{user} } || [] };
    my $reason = $line ? $line->{f}{reason} // '' : '';
    return 'worker killed' if $line && $line->{event} ne 'session';
    return 'bad server' if $session->{user} =~ /\@bad\z/ && $session->{state} ne 'closed';
    return 'server killed' if $reason =~ /^(?:server-|connect-)/ && $faults->explains(qr/^server killed/, $session->{time}, 5);
    return 'shortage' if $faults->explains(qr/short$/, $session->{time}, 3);
    return 'worker killed' if !$line && $faults->explains(qr/^worker killed/, $session->{time}, 3);
    return;
}

# Each QUIT that a server recorded has its line, and each client that was told "done" is recorded.
sub _deletions {
    my ($self) = @_;
    my %recorded;
    if (open my $file, '<', $self->{record}) {
        while (<$file>) {
            my ($user, $deleted) = split;
            $recorded{$user} = $deleted;
        }
    }
    for my $session (grep { $_->{state} eq 'done' && $_->{user} =~ /\@stores\z/ } @{ $self->{sessions} }) {
        my $deleted = $recorded{ $session->{user} } // 'none';
        $self->violation("$session->{user}: the client deleted $session->{deleted} messages, the server $deleted")
            if $deleted ne $session->{deleted};
        $self->{deleted} += $session->{deleted};
    }
    return;
}

# ---- the report ----

sub report {
    my ($self) = @_;
    my $faults = $self->{faults}->count;
    my $list = sub { my ($hash) = @_; return join ', ', map { "$_ $hash->{$_}" } sort keys %$hash };
    my $retrieved = 0;
    $retrieved += $_->{retrieved} for @{ $self->{sessions} };
    my $text = 'sessions:    ' . @{ $self->{sessions} } . ' (' . $list->($self->{states} || {}) . ")\n"
        . "messages:    $retrieved retrieved and compared, " . ($self->{deleted} // 0) . " deleted\n"
        . 'faults:      ' . $self->{faults}->total . ' (' . $list->($faults) . ")\n"
        . 'ended early: ' . ($list->($self->{excused}) || 'none') . "\n"
        . "log:         $self->{lines_lost} lines counted as lost\n"
        . 'violations:  ' . $self->violations . "\n";
    my @shown = @{ $self->{violations} };
    $text .= "  $_\n" for @shown > 20 ? @shown[ 0 .. 19 ] : @shown;
    return $text;
}

1;
