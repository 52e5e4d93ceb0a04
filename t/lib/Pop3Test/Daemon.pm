# SPDX-License-Identifier: BSD-2-Clause
#
# The product as a server of its own, started from a file: for tests that ask
# it how it is. It logs to a file, has a control socket, and is ended by
# close(), or by force when a test dies before.
#
#     my $daemon = Pop3Test::Daemon->new(
#         program => program(), directory => directory(),
#         proxy => { max_workers => 4 }, instances => { one => { server => $address } });
#
# An instance without `listen' gets a free port of 127.0.0.1.

package Pop3Test::Daemon;

use strict;
use warnings;
use IO::Socket::IP;
use IO::Socket::UNIX;
use Pop3Test::Client;
use Pop3Test::Loop qw(wait_until);
use Pop3Test::Process qw(spawn run collect free_port descendants);
use Pop3Test::Stream;

my %daemons;    # address of the object => object, weakly held by its own close()

sub new {
    my ($class, %option) = @_;
    my $self = bless { instances => {}, proxy => {}, in => '', %option }, $class;
    my $dir = $self->{directory};
    $self->{file} = "$dir/conf";
    $self->{proxy} = {
        log => "$dir/log", control => "$dir/control", pidfile => "$dir/pid", workers => 2,
        max_workers => 6, grace => 2, %{ $self->{proxy} },
    };
    $_->{listen} //= '127.0.0.1:' . free_port() for values %{ $self->{instances} };
    Pop3Test::log_file($self->{proxy}{log}) if $self->{proxy}{log} =~ m{^/};
    $self->write_conf;
    return $self if $self->{unstarted};
    $self->start;
    $self->wait_for('started') or die "the server does not start: " . $self->log . $self->{errors};
    return $self;
}

sub write_conf {
    my ($self) = @_;
    my $text = "[proxy]\n";
    my $proxy = $self->{proxy};
    $text .= "$_ = $proxy->{$_}\n" for grep { defined $proxy->{$_} } sort keys %$proxy;
    for my $name (sort keys %{ $self->{instances} }) {
        my $keys = $self->{instances}{$name};
        $text .= "[instance $name]\n";
        $text .= "$_ = $keys->{$_}\n" for sort keys %$keys;
    }
    open my $file, '>', $self->{file} or die "$self->{file}: $!\n";
    print {$file} $text;
    close $file or die "$self->{file}: $!\n";
    return;
}

sub start {
    my ($self) = @_;
    $self->{errors} = '';
    my ($write) = collect(\$self->{errors});
    $self->{process} = spawn(
        command => [ $self->{program}, '-f', $self->{file} ],
        fds     => { 1 => $write, 2 => $write }, %{ $self->{spawn} || {} });
    $daemons{$self} = $self;
    return;
}

sub pid    { return $_[0]{master} // $_[0]{process}->pid }
sub listen { my ($self, $instance) = @_; return $self->{instances}{$instance}{listen} }

sub log {
    my ($self) = @_;
    open my $file, '<', $self->{proxy}{log} or return '';
    local $/;
    return <$file> // '';
}

# Waits until the log has this event as often as told; returns its last line.
sub wait_for {
    my ($self, $event, $count) = @_;
    my @found;
    wait_until(sub {
        @found = $self->log =~ /^(.*\bevent=\Q$event\E\b.*)$/mg;
        @found >= ($count // 1) || ($self->{process} && !$self->{process}->is_running && !$self->{master});
    });
    return @found >= ($count // 1) ? $found[-1] : undef;
}

sub signal { my ($self, $signal) = @_; kill $signal, $self->pid or die "kill: $!\n"; return $self }

# Writes the file anew and makes the server read it.
sub reload {
    my ($self, $event) = @_;
    $event //= 'reloaded';
    my $before = () = $self->log =~ /\bevent=\Q$event\E\b/g;
    $self->write_conf;
    $self->signal('HUP');
    return $self->wait_for($event, $before + 1);
}

sub client {
    my ($self, $instance) = @_;
    my ($host, $port) = $self->listen($instance) =~ /(.*):(\d+)/;
    my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Proto => 'tcp')
        or die "cannot connect to $host:$port: $@\n";
    my $client = Pop3Test::Client->new($socket, name => 'client', tcp => 1);
    push @{ $self->{clients} }, $client;
    return $client;
}

# A command of the product: {status, out, err}.
sub command {
    my ($self, @words) = @_;
    my %option = ref $words[-1] ? %{ pop @words } : ();
    return run([ $self->{program}, '-f', $self->{file}, @words ], %option);
}

# A connection to the control socket, with the request sent, if any.
sub control {
    my ($self, $request) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $self->{proxy}{control}) or return;
    my $stream = Pop3Test::Stream->new($socket, name => 'control');
    $stream->send("$request\n") if defined $request;
    return $stream;
}

# The whole answer to a request; undef when nobody answers.
sub ask {
    my ($self, $request) = @_;
    my $stream = $self->control($request) or return;
    wait_until(sub { $stream->{eof} }) or die "control: no answer in time\n";
    my $answer = $stream->{all};
    $stream->close;
    return $answer;
}

# The process that answers, told by the descriptor it reads its signal from.
sub status_pid {
    my ($self) = @_;
    for my $pid (grep { $_ != $self->pid } descendants($self->pid)) {
        return $pid if grep { (readlink($_) // '') =~ /signalfd/ } glob "/proc/$pid/fd/*";
    }
    return;
}

# Ends it in order; returns the wait status, undef when it had to be killed.
sub close {
    my ($self) = @_;
    delete $daemons{$self};
    $_->close for @{ delete $self->{clients} || [] };
    my $process = delete $self->{process} or return;
    if (my $master = delete $self->{master}) {
        kill 'TERM', $master;
        wait_until(sub { !Pop3Test::Process::is_alive($master) }, 5) or kill 'KILL', $master;
    }
    $process->signal('TERM');
    my $status = $process->wait(8);
    $process->destroy;
    return $status;
}

# What a scene that died has left.
sub close_all { $_->close for values %daemons; return }

1;
