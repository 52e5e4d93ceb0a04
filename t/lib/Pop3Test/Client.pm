# SPDX-License-Identifier: BSD-2-Clause
#
# A POP3 client: a stream with the dialogues that tests need. It knows the process that
# serves it.

package Pop3Test::Client;

use strict;
use warnings;
use parent 'Pop3Test::Stream';
use Pop3Test::Loop qw(wait_until);

our $USER     = 'joe';
our $PASSWORD = 'Sesam-' . sprintf '%05d', $$;  # must never be seen in a log

sub process { return $_[0]{process} }
sub port    { return $_[0]{fh}->sockport }

# Sends a command and returns the reply line, which must begin with a status indicator.
sub ask {
    my ($self, $command, $limit) = @_;
    return $self->send_line($command)->reply($limit);
}

sub reply {
    my ($self, $limit) = @_;
    my $line = $self->line($limit);
    die "client: not a reply: " . Pop3Test::Stream::show($line) . "\n"
        if $line !~ /^(?:\+OK|-ERR)(?: [\x20-\x7e]*)?\z/;
    return $line;
}

# A multi-line reply: the status line and the octets up to the terminator,
# exactly as they came.
sub fetch {
    my ($self, $command, $limit) = @_;
    my $status = $self->ask($command, $limit);
    return ($status, undef) if $status !~ /^\+OK/;
    return ($status, $self->body($limit));
}

sub body {
    my ($self, $limit) = @_;
    my $from = 0;
    my $end;
    my $found = wait_until(sub {
        return 1 if $self->{in} =~ /\A\.\r\n/;
        $end = index $self->{in}, "\r\n.\r\n", $from;
        $from = length($self->{in}) > 4 ? length($self->{in}) - 4 : 0 if $end < 0;
        return $end >= 0 || $self->{eof};
    }, $limit);
    if ($found && $self->{in} =~ /\A\.\r\n/) {
        substr $self->{in}, 0, 3, '';
        return '';
    }
    $self->_late('the end of a multi-line reply') if !$found || $end < 0;
    my $body = substr $self->{in}, 0, $end + 2, '';
    substr $self->{in}, 0, 3, '';
    return $body;
}

sub greeting {
    my ($self) = @_;
    my $line = $self->reply;
    die "client: greeting: $line\n" if $line !~ /^\+OK/;
    return $line;
}

# Greeting, USER and PASS; dies when a step is refused. Returns the client.
sub login {
    my ($self, $user, $password) = @_;
    $self->greeting;
    $self->{user_reply} = $self->ask('USER ' . ($user // $USER));
    die "client: USER: $self->{user_reply}\n" if $self->{user_reply} !~ /^\+OK/;
    $self->{pass_reply} = $self->ask('PASS ' . ($password // $PASSWORD));
    die "client: PASS: $self->{pass_reply}\n" if $self->{pass_reply} !~ /^\+OK/;
    return $self;
}

# The same, but returns the reply to PASS, or to USER if that is refused.
sub try_login {
    my ($self, $user, $password) = @_;
    $self->greeting;
    my $reply = $self->ask('USER ' . ($user // $USER));
    return $reply if $reply !~ /^\+OK/;
    return $self->ask('PASS ' . ($password // $PASSWORD));
}

# QUIT, the reply to it, the end of the connection.
sub quit {
    my ($self) = @_;
    my $reply = $self->ask('QUIT');
    $self->closes;
    return $reply;
}

# The fields of this session's log line; waits for the end of the session.
sub session_line {
    my ($self) = @_;
    defined $self->{process}->wait or die "client: the session does not end\n";
    return $self->{log}->session_of($self->{process}->pid);
}

# The events of all lines of this session's process, in order; waits for its end.
sub events {
    my ($self) = @_;
    $self->session_line;
    my $pid = $self->{process}->pid;
    return [ map { $_->{event} } grep { $_->{pid} == $pid } $self->{log}->lines ];
}

1;
