# SPDX-License-Identifier: BSD-2-Clause
#
# The product as a server: its file is in a directory of its own, it listens on
# loopback, and the log says on which addresses. A test waits for log lines,
# for the status and for processes, never for time to pass.
#
#     my $master = master(server => $server->address, workers => 2);
#     my $client = $master->client->login;
#     $master->change(timeout => 5);
#     $master->reload;

package Pop3Test::Master;

use strict;
use warnings;
use IO::Socket::IP;
use IO::Socket::UNIX;
use JSON::PP ();
use Pop3Test::Client;
use Pop3Test::Loop qw(wait_until);
use Pop3Test::Process qw(collect descendants is_alive facts descriptors);
use Pop3Test::Stream;
use parent 'Pop3Test::Product';

# Options begin with a hyphen: those of Pop3Test::Product, and
#   -directory   for the file and the control socket
#   -instances   reference to a list: name => { key => value }, ...; without it
#                there is one instance, and all keys are in [proxy]
#   -groups      reference to a list: name => { key => value }, ..., groups of servers
#   -arguments   reference to a list: no file, only this command line
#   -extra       further arguments
#   -start       0: only made, not started
#   -any_exit, -any_stderr what the end of the scene does not complain of
# All others are keys of the file. The defaults are listen = 127.0.0.1:0,
# workers = 2, a grace longer than any wait of a test, and no limits by address or
# user (undef: the product's default). The environment variable POP3_TEST_SESSIONS_PER_WORKER
# sets sessions_per_worker for every test that does not.
sub new {
    my ($class, %option) = @_;
    my $self = bless { stderr_octets => '', processes => [], clients => [] }, $class;
    for my $name (grep { /^-/ } keys %option) {
        my $value = delete $option{$name};
        $self->{ $name =~ s/^-//r } = $value;
    }
    $self->{keys} = { workers => 2, max_per_ip => 0, max_sessions_per_ip => 0, max_sessions_per_user => 0, login_failures => 0,
        grace => 60, control => "$self->{directory}/control",
        $self->{instances} ? () : (listen => '127.0.0.1:0'), _sessions_per_worker(), %option };
    $self->{instances} ||= [ main => {} ];
    $self->{groups}    ||= [];
    $self->{path} = "$self->{directory}/conf";
    $self->write;
    $self->start if $self->{start} // 1;
    return $self;
}

sub _sessions_per_worker {
    my $number = $ENV{POP3_TEST_SESSIONS_PER_WORKER};
    return $number ? (sessions_per_worker => $number) : ();
}

# ---- the file ----

# Sets keys; undef removes one. With a name before them: keys of that instance or group.
sub change {
    my ($self, @change) = @_;
    my $keys = @change % 2 ? { @{ $self->{instances} }, @{ $self->{groups} } }->{ shift @change } : $self->{keys};
    while (my ($key, $value) = splice @change, 0, 2) {
        if (defined $value) { $keys->{$key} = $value }
        else                { delete $keys->{$key} }
    }
    return $self->write;
}

sub write {
    my ($self) = @_;
    my $text = "[proxy]\n" . _keys($self->{keys});
    for my $kind (qw(instance group)) {
        my @sections = @{ $self->{"${kind}s"} };
        while (my ($name, $keys) = splice @sections, 0, 2) {
            $text .= "\n[$kind $name]\n" . _keys($keys);
        }
    }
    return $self->write_raw($text);
}

sub _keys {
    my ($keys) = @_;
    return join '', map { "$_ = $keys->{$_}\n" } grep { defined $keys->{$_} } sort keys %$keys;
}

sub write_raw {
    my ($self, $text) = @_;
    open my $file, '>', $self->{path} or die "$self->{path}: $!\n";
    print {$file} $text;
    close $file or die "$self->{path}: $!\n";
    return $self;
}

# ---- the process ----

sub arguments {
    my ($self) = @_;
    return (@{ $self->{extra} || [] }, $self->{arguments} ? @{ $self->{arguments} } : ('-f', $self->{path}));
}

# Starts it and waits until it is ready.
sub start { my ($self) = @_; return $self->start_only->ready }

# Starts it; the start may fail.
sub start_only {
    my ($self) = @_;
    my ($write) = collect(\$self->{stderr_octets});
    $self->{older_lines} = $self->{log}->lines;
    $self->{process} = $self->spawn_with(2 => $write);
    return $self;
}

sub ready {
    my ($self) = @_;
    wait_until(sub { !$self->{process}->is_running || $self->events('started') }, 20);
    die "the server does not start: $self->{stderr_octets}\n" if !$self->events('started');
    return $self;
}

# From now on this process is the master: a detached one, or the next binary.
sub follow {
    my ($self, $pid) = @_;
    $self->{process} = Pop3Test::Process::adopt($pid, 'master');
    push @{ $self->{processes} }, $self->{process};
    return $self;
}

sub process { return $_[0]{process} }
sub pid     { return $_[0]{process}->pid }
sub signal  { my ($self, $signal) = @_; kill $signal, $self->pid; return $self }

# The lines of this master with this event. (For lines of other processes: the log.)
sub events {
    my ($self, $event) = @_;
    my $pid = $self->pid;
    return grep { $_->{event} eq $event && $_->{pid} == $pid } @{ $self->{log}{lines} };
}

# Calls $code and waits for the next line with one of these events. Returns the line.
sub after {
    my ($self, $code, @events) = @_;
    my $lines  = $self->{log}{lines};
    my $next   = @$lines;
    my %wanted = map { $_ => 1 } @events;
    my $pid    = $self->pid;
    $code->() if $code;
    return wait_until(sub {
        while ($next < @$lines) {
            my $line = $lines->[ $next++ ];
            return $line if $wanted{ $line->{event} } && $line->{pid} == $pid;
        }
        return;
    }) || die "the master does not log @events\n";
}

# Sends HUP. Returns the line of event=reloaded or event=reload-failed.
sub reload {
    my ($self) = @_;
    return $self->after(sub { $self->signal('HUP') }, qw(reloaded reload-failed));
}

# Waits for its end. Returns the wait status, undef if it goes on.
sub wait { my ($self, $limit) = @_; return $self->{process}->wait($limit) }

sub is_running { return $_[0]{process}->is_running }

# ---- its other processes ----

sub children {
    my ($self) = @_;
    my $pid = $self->pid;
    return grep { $_ != $pid && is_alive($_) && (facts($_)->{PPid} // 0) == $pid } descendants($pid);
}

# The kinds of its processes, told by their signals: a worker takes TERM, by a handler or from a
# descriptor, and ignores INT; the others ignore both. A process that was forked just now has all of
# them blocked.
sub is_worker {
    my ($pid) = @_;
    my $facts = facts($pid);
    my ($caught, $blocked, $ignored) = map { hex substr $facts->{$_} // '0', -8 } qw(SigCgt SigBlk SigIgn);
    my ($int, $term) = (1 << 1, 1 << 14);
    return ($caught | $blocked) & $term && $ignored & $int && !($blocked & $int);
}

# The workers; with a number, waits until there are at least so many. The server is ready with the
# first one, and a process counts only after its start.
sub workers {
    my ($self, $least) = @_;
    my @workers;
    wait_until(sub { @workers = grep { is_worker($_) } $self->children; @workers >= ($least // 0) })
        or defined $least and die "there are " . @workers . " workers and not $least\n";
    return @workers;
}

# A helper takes USR1, which tells it to finish.
sub is_helper {
    my ($pid) = @_;
    return !is_worker($pid) && hex(substr facts($pid)->{SigCgt} // '0', -8) & 1 << 9;
}

# The process that checks servers: TERM ends it, without a handler.
sub is_checker {
    my ($pid) = @_;
    my $facts = facts($pid);
    my $term  = 1 << 14;
    return %$facts && !grep { hex(substr $facts->{$_} // 'ffffffff', -8) & $term } qw(SigCgt SigBlk SigIgn);
}

# The helpers, at least one.
sub helpers {
    my ($self) = @_;
    my @helpers;
    wait_until(sub { @helpers = grep { is_helper($_) } $self->children })
        or die "there is no helper\n";
    return @helpers;
}

# The processes that start access control programs: each is the child of a helper.
sub starters {
    my ($self) = @_;
    my $own = $self->pid;
    return grep { my $parent = facts($_)->{PPid} // 0; $parent != $own && is_helper($parent) } descendants($own);
}

# The status process.
sub status_pid {
    my ($self) = @_;
    return (grep { !is_worker($_) && grep { /signalfd/ } descriptors($_) } $self->children)[0];
}

# ---- the control socket ----

# A connection to it, with the request sent, if any; undef if nobody listens.
sub control {
    my ($self, $request) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $self->{keys}{control}) or return;
    my $stream = Pop3Test::Stream->new($socket, name => 'control');
    $stream->send("$request\n") if defined $request;
    return $stream;
}

# The whole answer to a request; undef if nobody answers.
sub ask {
    my ($self, $request) = @_;
    my $stream = $self->control($request) or return;
    wait_until(sub { $stream->{eof} }) or die "control: no answer in time\n";
    my $answer = $stream->received;
    $stream->close;
    return $answer;
}

# What "status --json" says.
sub status {
    my ($self) = @_;
    my $answer = $self->ask('status --json') // die "control: nobody answers\n";
    return eval { JSON::PP::decode_json($answer) } // die "status: $answer\n";
}

# Waits until $condition holds of the status; returns that status, undef at the limit.
sub shows {
    my ($self, $condition, $limit) = @_;
    return wait_until(sub { my $status = $self->status; $condition->($status) && $status }, $limit);
}

# The processes that have sessions, each once.
sub busy_pids {
    my ($self) = @_;
    my %pids = map { $_->{pid} => 1 } @{ $self->status->{sessions} };
    my @pids = sort keys %pids;
    return @pids;
}

# Counts over all pools that run, of an instance or of all.
sub counts {
    my ($self, $name) = @_;
    my %count = map { $_ => 0 } qw(idle busy starting leaving pools);
    for my $instance (@{ $self->status->{instances} }) {
        next if defined $name && $instance->{name} ne $name;
        for my $pool (@{ $instance->{pools} }) {
            $count{pools}++;
            $count{$_} += $pool->{$_} for qw(idle busy starting leaving);
        }
    }
    return \%count;
}

# Waits until exactly so many workers are idle and busy. Returns 'settled', or the counts.
sub settled {
    my ($self, $idle, $busy, $limit) = @_;
    my $count;
    wait_until(sub {
        $count = $self->counts;
        return $count->{idle} == $idle && $count->{busy} == ($busy // 0) && !$count->{starting} && !$count->{leaving};
    }, $limit);
    return "$count->{idle} idle, $count->{busy} busy" if $count->{idle} != $idle || $count->{busy} != ($busy // 0);
    return 'settled';
}

# ---- clients ----

# The addresses on which it listens, in the order of the log.
sub addresses {
    my ($self) = @_;
    return map { $_->{f}{text} =~ /^"(.*)"\z/ } $self->events('listening');
}

# The address on this host; the only one without it.
sub address {
    my ($self, $host) = @_;
    my ($found) = grep { !defined $host || /^\Q$host\E:/ } $self->addresses;
    return $found // die "the server does not listen on " . ($host // 'any address') . "\n";
}

sub port { my ($self, $host) = @_; return $self->address($host) =~ s/.*://r }

# to    address of the server (host, host:port, or a path); without it the first
# from  the client's own address
sub client {
    my ($self, %option) = @_;
    my $socket = $self->connect(%option) or die "cannot connect to the server: $@ $!\n";
    my $client = Pop3Test::Client->new($socket, name => 'client', tcp => $socket->isa('IO::Socket::IP'),
        master => $self, log => $self->{log});
    push @{ $self->{clients} }, $client;
    return $client;
}

sub connect {
    my ($self, %option) = @_;
    my $to = $option{to} // $self->address;
    return IO::Socket::UNIX->new(Peer => $to) if $to =~ m{^/};
    $to = $self->address($to) if $to !~ /:\d+\z/;
    my ($host, $port) = $to =~ /^\[?(.*?)\]?:(\d+)\z/ or die "no address: $to\n";
    return IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Proto => 'tcp',
        $option{from} ? (LocalHost => $option{from}) : ());
}

# The worker that has logged this user in since the last start.
sub worker_of {
    my ($self, $user) = @_;
    my $line = wait_until(sub {
        my $lines = $self->{log}{lines};
        (grep { $_->{event} eq 'login' && ($_->{f}{user} // '') eq $user } @$lines[ $self->{older_lines} // 0 .. $#$lines ])[-1];
    }) or die "log: no login of $user\n";
    return $line->{pid};
}

# Waits for the session line of a client on TCP.
sub session_of {
    my ($self, $client, $limit) = @_;
    my $port = $client->{own_port} // $client->port;
    return wait_until(sub {
        (map { $_->{f} } grep { $_->{event} eq 'session' && $_->{f}{port} == $port } @{ $self->{log}{lines} })[-1];
    }, $limit) || die "log: no session line of port $port\n";
}

# ---- the end ----

# Sends TERM and waits. Returns the exit code.
sub stop { my ($self) = @_; $self->signal('TERM'); return Pop3Test::Process::exit_code($self->wait) }

sub close {
    my ($self) = @_;
    $_->close for @{ $self->{clients} };
    kill 'TERM', map { $_->pid } grep { $_->is_running } @{ $self->{processes} };
    return;
}

1;
