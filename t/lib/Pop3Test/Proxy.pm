# SPDX-License-Identifier: BSD-2-Clause
#
# Starts the product as inetd does: a listening socket here, and for each
# connection a process with that connection as descriptors 0 and 1. A client
# made by this object knows its process.

package Pop3Test::Proxy;

use strict;
use warnings;
use IO::Socket::IP;
use Socket;
use Pop3Test::Client;
use Pop3Test::Loop qw(watch_read unwatch);
use Pop3Test::Process qw(collect);
use parent 'Pop3Test::Product';

# What Pop3Test::Product names, and:
#   arguments      reference to a list
#   host           address to listen on (127.0.0.1)
#   stderr         'socket': the client's connection, as with inetd; otherwise captured
sub new {
    my ($class, %option) = @_;
    my $self = bless { host => '127.0.0.1', clients => [], stderr_octets => '', %option }, $class;
    $self->{listener} = IO::Socket::IP->new(
        LocalHost => $self->{host}, LocalPort => 0, Listen => 128, Proto => 'tcp',
        $self->{host} =~ /\A::ffff:/ ? (V6Only => 0) : (),
    ) or die "cannot listen on $self->{host}: $@\n";
    return $self;
}

sub port { return $_[0]{listener}->sockport }

# The host for clients: [::ffff:127.0.0.1] is reached over IPv4.
sub client_host {
    my ($self) = @_;
    return $self->{host} =~ /\A::ffff:(.*)/ ? $1 : $self->{host};
}

sub arguments { my ($self) = @_; return @{ $self->{arguments} } }

# Starts one product process on these descriptors.
sub start {
    my ($self, $input, $output) = @_;
    my $error = ($self->{stderr} // '') eq 'socket' ? $output : (collect(\$self->{stderr_octets}))[0];
    return $self->spawn_with(0 => $input, 1 => $output, 2 => $error);
}

sub _client {
    my ($self, $fh, $process, %option) = @_;
    my $client = Pop3Test::Client->new(
        $fh, name => 'client', process => $process, log => $self->{log}, %option);
    push @{ $self->{clients} }, $client;
    return $client;
}

# A TCP client and the process that serves it. rcvbuf: the size of the client's receive
# buffer.
sub client {
    my ($self, %option) = @_;
    my $socket = IO::Socket::IP->new(
        PeerHost => $self->client_host, PeerPort => $self->port, Proto => 'tcp',
        $option{rcvbuf} ? (Sockopts => [ [ SOL_SOCKET, SO_RCVBUF, pack 'i', $option{rcvbuf} ] ]) : (),
    ) or die "cannot connect to the stand-in of inetd: $@\n";
    my $accepted = $self->{listener}->accept or die "accept: $!\n";
    my $process  = $self->start($accepted, $accepted);
    return $self->_client($socket, $process, tcp => 1, %option);
}

# The same over a pair of UNIX stream sockets.
sub client_on_socketpair {
    my ($self) = @_;
    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, 0 or die "socketpair: $!\n";
    return $self->_client($ours, $self->start($theirs, $theirs));
}

# The same over two pipes.
sub client_on_pipes {
    my ($self) = @_;
    pipe my $their_in,  my $our_out or die "pipe: $!\n";
    pipe my $our_in, my $their_out  or die "pipe: $!\n";
    my $process = $self->start($their_in, $their_out);
    close $_ for $their_in, $their_out;
    return $self->_client($our_in, $process, wfh => $our_out);
}

# From now on serves every connection, for clients that are programs. Returns the port.
sub serve {
    my ($self) = @_;
    my $listener = $self->{listener};
    $listener->blocking(0);
    watch_read($listener, sub {
        my $accepted = $listener->accept or return;
        $self->start($accepted, $accepted);
    });
    return $self->port;
}

sub close {
    my ($self) = @_;
    $_->close for @{ $self->{clients} };
    my $listener = delete $self->{listener} or return;
    unwatch($listener);
    close $listener;
    return;
}

1;
