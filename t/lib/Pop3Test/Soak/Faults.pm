# SPDX-License-Identifier: BSD-2-Clause
#
# What a soak does to a running server, chosen at random: it kills and stops processes, sends signals,
# makes servers and tables fail, the clock jump, and descriptors and memory scarce. Each fault is
# counted by its kind and remembered with its time, because it explains what happens after it.

package Pop3Test::Soak::Faults;

use strict;
use warnings;
use Time::HiRes ();
use Pop3Test::Loop qw(wait_until pause now);

# kind => weight. The rare ones take longer.
my %WEIGHT = (
    'worker killed' => 4, 'worker stopped' => 3, 'helper killed' => 3, 'helper stopped' => 2, 'checker killed' => 2,
    'starter killed' => 1, 'starter stopped' => 1,
    'status killed' => 2, HUP => 4, USR1 => 4, USR2 => 2, 'server killed' => 3, 'table broken' => 2, 'clock jumped' => 3,
    'descriptors short' => 2, 'memory short' => 2,
);

# master, servers (those that may be killed), table (path), text (what is right in it), log (path), and
# scarce (path of the file of t/fault/scarce.c, undef where it is not loaded)
sub new {
    my ($class, %option) = @_;
    my $self = bless { count => {}, events => [], killed => {}, logs => [ $option{log} ], %option }, $class;
    $self->{kinds} = [ map { ($_) x $WEIGHT{$_} } grep { $option{scarce} || !/short|clock/ } sort keys %WEIGHT ];
    $self->_scarce(0, 0, 0) if $option{scarce};
    return $self;
}

sub count { return $_[0]{count} }
sub logs  { return @{ $_[0]{logs} } }

sub total { my ($self) = @_; my $sum = 0; $sum += $_ for values %{ $self->{count} }; return $sum }

# Whether a fault of a kind that matches lasted within so many seconds of this time.
sub explains {
    my ($self, $kind, $time, $seconds) = @_;
    return scalar grep { $_->{kind} =~ $kind && $_->{from} - 1 <= $time && $time <= ($_->{to} // 9e99) + $seconds } @{ $self->{events} };
}

sub is_killed { my ($self, $pid) = @_; return $self->{killed}{$pid} }

# One fault, chosen at random. Returns its kind, undef where there was nothing to do it to.
sub inject {
    my ($self) = @_;
    my $kind  = $self->{kinds}[ rand @{ $self->{kinds} } ];
    my $event = { kind => $kind, from => Time::HiRes::time() };
    push @{ $self->{events} }, $event;
    my $method = '_' . lc $kind =~ s/ /_/gr;
    my $has_happened = $self->$method;
    $event->{to} = Time::HiRes::time();
    if (!$has_happened) {
        pop @{ $self->{events} };
        return;
    }
    $self->{count}{$kind}++;
    return $kind;
}

# ---- processes ----

sub _one { my (@list) = @_; return $list[ rand @list ] }

sub _kill {
    my ($self, $pid) = @_;
    $pid or return 0;
    $self->{killed}{$pid} = Time::HiRes::time();
    return kill 'KILL', $pid;
}

# Wall time: a stopped process is stopped for this long and no longer.
sub _stop {
    my ($self, $pid) = @_;
    $pid && kill 'STOP', $pid or return 0;
    pause(0.3 + rand 1.5);
    kill 'CONT', $pid;
    return 1;
}

# The server's processes by their kind; empty while there is none.
sub _workers  { my ($self) = @_; return sort { $a <=> $b } $self->{master}->workers }
sub _helpers  { my ($self) = @_; return sort { $a <=> $b } grep { Pop3Test::Master::is_helper($_) } $self->{master}->children }
sub _starters { my ($self) = @_; return sort { $a <=> $b } $self->{master}->starters }
sub _status   { my ($self) = @_; return $self->{master}->status_pid // () }

sub _checkers { my ($self) = @_; return sort { $a <=> $b } grep { Pop3Test::Master::is_checker($_) } $self->{master}->children }

sub _worker_killed   { my ($self) = @_; return $self->_kill(_one($self->_workers)) }
sub _worker_stopped  { my ($self) = @_; return $self->_stop(_one($self->_workers)) }
sub _helper_killed   { my ($self) = @_; return $self->_kill(_one($self->_helpers)) }
sub _helper_stopped  { my ($self) = @_; return $self->_stop(_one($self->_helpers)) }
sub _starter_killed  { my ($self) = @_; return $self->_kill(_one($self->_starters)) }
sub _starter_stopped { my ($self) = @_; return $self->_stop(_one($self->_starters)) }
sub _checker_killed  { my ($self) = @_; return $self->_kill(_one($self->_checkers)) }
sub _status_killed   { my ($self) = @_; return $self->_kill(_one($self->_status)) }

# ---- signals to the master ----

sub _hup {
    my ($self) = @_;
    $self->{master}->change(timeout => 20 + int rand 10);
    my $line = $self->{master}->reload;
    return $line->{event} eq 'reloaded' || $self->explains(qr/short/, time, 5);
}

sub _usr1 {
    my ($self) = @_;
    my $moved = "$self->{log}." . scalar @{ $self->{logs} };
    rename $self->{log}, $moved or die "$self->{log}: $!\n";
    push @{ $self->{logs} }, $moved;
    $self->{master}->after(sub { $self->{master}->signal('USR1') }, 'log-reopened');
    return 1;
}

sub _usr2 {
    my ($self) = @_;
    my $master = $self->{master};
    my $lines  = $master->{log}{lines};
    my $next   = @$lines;
    my ($old, $new) = ($master->pid);
    $master->signal('USR2');
    wait_until(sub {
        for (; $next < @$lines; $next++) {
            my $line = $lines->[$next];
            return 1 if $line->{event} eq 'upgrade-failed' && $line->{pid} == $old;
            $new = $line->{pid} if $line->{event} eq 'started' && $line->{pid} != $old;
            return 1 if $new && $line->{event} eq 'master-draining' && $line->{pid} == $old;
        }
        return;
    }) or die "USR2: neither a new master nor event=upgrade-failed\n";
    $master->follow($new) if $new;
    return $new || $self->explains(qr/short/, time, 5);
}

# ---- what the sessions need ----

sub _server_killed {
    my ($self) = @_;
    my $server = _one(@{ $self->{servers} });
    $server->kill;
    pause(rand 2);
    $server->start;
    return 1;
}

sub _write {
    my ($path, $text) = @_;
    open my $file, '>', "$path.new" or die "$path.new: $!\n";
    print {$file} $text;
    close $file or die "$path.new: $!\n";
    rename "$path.new", $path or die "$path: $!\n";
    return;
}

# The old table stays in force, whatever is wrong with the new one.
sub _table_broken {
    my ($self) = @_;
    my $way = int rand 3;
    if    ($way == 0) { unlink $self->{table} }
    elsif ($way == 1) { _write($self->{table}, join '', map { chr rand 256 } 1 .. 500) }
    else              { _write($self->{table}, "\@bad\n") }
    pause(0.5 + rand 1);
    _write($self->{table}, $self->{text});
    return 1;
}

sub _scarce {
    my ($self, @numbers) = @_;
    open my $file, '+<', $self->{scarce} or die "$self->{scarce}: $!\n";
    $self->{jump} = $numbers[0];
    syswrite $file, pack 'q3', @numbers;
    close $file;
    return;
}

sub _clock_jumped {
    my ($self) = @_;
    $self->_scarce(int(rand 20_000) - 10_000, 0, 0);
    return 1;
}

sub _descriptors_short {
    my ($self) = @_;
    $self->_scarce($self->{jump}, 2 + int rand 5, 0);
    pause(0.5 + rand 1);
    $self->_scarce($self->{jump}, 0, 0);
    return 1;
}

sub _memory_short {
    my ($self) = @_;
    $self->_scarce($self->{jump}, 0, 20 + int rand 80);
    pause(0.5 + rand 1);
    $self->_scarce($self->{jump}, 0, 0);
    return 1;
}

1;
