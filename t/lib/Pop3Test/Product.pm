# SPDX-License-Identifier: BSD-2-Clause
#
# What the two ways to start the product share: by a superserver for one connection
# (Pop3Test::Proxy), and as a server of its own (Pop3Test::Master). An object has
#
#   program        the path of the product
#   wrapper        reference to a list: a command that executes the rest
#   env, unset     changes to the environment
#   before         code to run in the child before the exec
#   log            Pop3Test::Log
#   processes      what was started (Pop3Test::Process)
#   stderr_octets  what they wrote to standard error

package Pop3Test::Product;

use strict;
use warnings;
use Pop3Test::Process qw(spawn run);

# The command and how to start it, as spawn() and run() take them. $self->arguments is the subclass's.
sub command_line {
    my ($self) = @_;
    return [ @{ $self->{wrapper} || [] }, $self->{program}, $self->arguments ];
}

sub _surroundings {
    my ($self) = @_;
    return (env => { POP3_PROXY_SYSLOG => $self->{log}->path, %{ $self->{env} || {} } },
        unset => $self->{unset}, before => $self->{before});
}

# Starts one process with these descriptors.
sub spawn_with {
    my ($self, %fds) = @_;
    my $process = spawn(command => $self->command_line, fds => \%fds, $self->_surroundings);
    push @{ $self->{processes} }, $process;
    return $process;
}

# Runs it to its end (a start that fails, or -d): {status, out, err, late}.
sub run_to_end {
    my ($self, %option) = @_;
    return run($self->command_line, $self->_surroundings, limit => 20, %option);
}

# Runs a command of the product on the same file: {status, out, err, late}.
sub run_command {
    my ($self, @words) = @_;
    my %option = ref $words[-1] ? %{ pop @words } : ();
    return run([ $self->{program}, '-f', $self->{path}, @words ], limit => 20, %option);
}

sub processes { return @{ $_[0]{processes} || [] } }
sub stderr    { return $_[0]{stderr_octets} }

1;
