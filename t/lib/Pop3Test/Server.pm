# SPDX-License-Identifier: BSD-2-Clause
#
# A fake POP3 server on its own port of loopback. By default it is a small mailbox.
# Hooks replace single replies, and a test may play the server itself, octet by octet.
# It keeps everything it receives, and notes what must never reach a server.

package Pop3Test::Server;

use strict;
use warnings;
use IO::Socket::IP;
use Socket qw(SOL_SOCKET SO_SNDBUF SO_RCVBUF);
use Pop3Test::Loop qw(watch_read unwatch wait_until);

my $has_ipv6 = IO::Socket::IP->new(LocalHost => '::1', LocalPort => 0, Proto => 'tcp');

our %FORWARDED = map { $_ => 1 }
    qw(USER PASS STAT LIST RETR DELE TOP UIDL LAST NOOP RSET QUIT CAPA);

# host      where to listen (127.0.0.1)
# messages  the mailbox: octets as stored, with CRLF line ends, not stuffed
# greeting  first line, without CRLF
# capa      reference to a list of capabilities; without it CAPA is refused
# password  what PASS must be; without it every one is right
# on        hooks: VERB => octets to send, or sub ($connection, $argument)
#           that returns octets, '' if it has answered itself, or undef to let the
#           mailbox answer
# script    1: no automatic answers; the test plays the server
#
# The object keeps its port until it is gone, also after close(), and on [::1], where nothing
# listens, as well as on 127.0.0.1. So a connection to a closed server is refused, and neither it
# nor one to "localhost" reaches the server of another test.
sub new {
    my ($class, %option) = @_;
    my $self = bless {
        host     => '127.0.0.1', greeting => '+OK ready', messages => [], on => {},
        connections => [], taken => 0, committed => [], violations => [], %option,
    }, $class;
    for (1 .. 20) {
        $self->{listener} = _bind($self->{host}, $option{port} // 0, Listen => 128) or return;
        $self->{port} = $self->{listener}->sockport;
        last if $option{port} || $self->{host} ne '127.0.0.1' || !$has_ipv6;
        $self->{reserved}{'::1'} = _bind('::1', $self->{port}) and last;
    }
    setsockopt $self->{listener}, SOL_SOCKET, SO_RCVBUF, $option{rcvbuf} if $option{rcvbuf};
    setsockopt $self->{listener}, SOL_SOCKET, SO_SNDBUF, $option{sndbuf} if $option{sndbuf};
    $self->{listener}->blocking(0);
    watch_read($self->{listener}, sub { $self->_accept });
    return $self;
}

sub _bind {
    my ($host, $port, %more) = @_;
    return IO::Socket::IP->new(LocalHost => $host, LocalPort => $port, Proto => 'tcp', ReuseAddr => 1,
        $host =~ /:/ ? (V6Only => 1) : (), %more);
}

sub port { return $_[0]{port} }
sub host { my ($self) = @_; return $self->{host} =~ /:/ ? "[$self->{host}]" : $self->{host} }

# host:port as it stands on a command line.
sub address { my ($self) = @_; return $self->host . ":$self->{port}" }

sub _accept {
    my ($self) = @_;
    my $socket = $self->{listener}->accept or return;
    my $connection = Pop3Test::Server::Connection->new(
        $socket, tcp => 1, name => 'server', server => $self, deleted => {}, lines => [], parsed => '',
        number => scalar @{ $self->{connections} },
    );
    push @{ $self->{connections} }, $connection;
    $connection->{on_input} = sub { $connection->_input };
    $self->{on_accept}->($connection) if $self->{on_accept};
    if (!$self->{script} && $connection->{fh}) {
        $connection->send(ref $self->{greeting} ? ${ $self->{greeting} } : "$self->{greeting}\r\n");
    }
    return;
}

sub connections { return @{ $_[0]{connections} } }

# Waits for the next connection that the test has not seen yet.
sub connection {
    my ($self, $limit) = @_;
    my $list = $self->{connections};
    wait_until(sub { @$list > $self->{taken} }, $limit)
        or die "server: no connection in time\n";
    return $list->[ $self->{taken}++ ];
}

# Every line received on any connection, without line ends and without CAPA, which the
# proxy may send on its own.
sub lines { my ($self) = @_; return map { $_->lines } $self->connections }

# Waits until a line matches.
sub wait_line {
    my ($self, $pattern, $limit) = @_;
    return wait_until(sub { grep { /$pattern/ } $self->lines }, $limit)
        || die "server: $pattern did not arrive; have: @{[ join ' | ', $self->lines ]}\n";
}

sub saw { my ($self, $pattern) = @_; return scalar grep { /$pattern/ } $self->lines }

# Stops listening; connections stay.
sub deaf {
    my ($self) = @_;
    my $listener = delete $self->{listener} or return;
    unwatch($listener);
    close $listener;
    $self->{reserved}{ $self->{host} } = _bind($self->{host}, $self->{port});
    return;
}

# Listens again after deaf().
sub listen_again {
    my ($self) = @_;
    close delete $self->{reserved}{ $self->{host} };
    $self->{listener} = _bind($self->{host}, $self->{port}, Listen => 128) or die "port $self->{port}: $!\n";
    $self->{listener}->blocking(0);
    watch_read($self->{listener}, sub { $self->_accept });
    return $self;
}

sub close {
    my ($self) = @_;
    $self->deaf;
    $_->close for $self->connections;
    return;
}

package Pop3Test::Server::Connection;

use strict;
use warnings;
use parent -norequire, 'Pop3Test::Stream';
use Pop3Test::Stream;
use Pop3Test::Loop qw(wait_until);

sub lines { my ($self) = @_; return grep { !/^CAPA$/i } @{ $self->{lines} } }

# Splits the input into lines, notes what is forbidden, and answers.
sub _input {
    my ($self) = @_;
    my $server = $self->{server};
    my $new    = substr $self->{all}, length $self->{parsed};
    my $count  = 0;
    while ($new =~ /\G(.*?\n)/gcs) {
        my $line = $1;
        $self->{parsed} .= $line;
        $self->_inspect($line);
        $line =~ s/\r?\n\z//;
        push @{ $self->{lines} }, $line;
        $self->{ahead} = 1 if $count++ && !$server->{pipelining};
        next if $server->{script} || $self->{script};
        my $answer = $self->_answer($line);
        $self->send($answer) if length $answer;
        $self->close_when_sent if delete $self->{hang_up};
    }
    $self->close_when_sent if $self->{eof} && !$server->{script} && !$self->{script};
    return;
}

sub _inspect {
    my ($self, $line) = @_;
    return if $self->{server}{anything_goes};
    my ($verb) = $line =~ /^([A-Za-z]+)/;
    my $wrong
        = $line !~ /\r\n\z/                         ? 'no CRLF at the end'
        : substr($line, 0, -2) =~ /[\x00-\x1f\x7f]/ ? 'control octets'
        : !$verb || !$Pop3Test::Server::FORWARDED{ uc $verb } ? 'not a command the proxy supports'
        :                                             undef;
    push @{ $self->{server}{violations} }, "$wrong: " . Pop3Test::Stream::show($line) if $wrong;
    return;
}

sub _answer {
    my ($self, $line) = @_;
    my ($verb, $argument) = $line =~ /^(\S+) ?(.*)/s;
    $verb = uc($verb // '');
    my $hook = $self->{server}{on}{$verb};
    if (defined $hook) {
        my $answer = ref $hook ? $hook->($self, $argument) : $hook;
        return $answer if defined $answer;
    }
    my $method = $self->can("_pop3_\L$verb");
    return $method ? $self->$method($argument) : "-ERR unknown command\r\n";
}

# A message by its number; undef if it is deleted or does not exist.
sub _message {
    my ($self, $number) = @_;
    return if $number !~ /^[1-9][0-9]*\z/ || $self->{deleted}{$number};
    return $self->{server}{messages}[ $number - 1 ];
}

sub _present {
    my ($self) = @_;
    return grep { !$self->{deleted}{$_} } 1 .. @{ $self->{server}{messages} };
}

# A message as it is sent: dot-stuffed and terminated.
sub wire {
    my ($message) = @_;
    $message =~ s/^\./../mg;
    $message .= "\r\n" if length $message && $message !~ /\r\n\z/;
    return "$message.\r\n";
}

sub _pop3_user { my ($self, $name) = @_; $self->{user} = $name; return "+OK\r\n" }

sub _pop3_pass {
    my ($self, $password) = @_;
    my $right = $self->{server}{password};
    if (defined $right && $password ne $right) {
        return "-ERR wrong\r\n";
    }
    return "+OK logged in\r\n";
}

sub _pop3_capa {
    my ($self) = @_;
    my $list = $self->{server}{capa} or return "-ERR unknown command\r\n";
    return join "\r\n", '+OK', @$list, ".\r\n";
}

sub _pop3_stat {
    my ($self) = @_;
    my @present = $self->_present;
    my $octets  = 0;
    $octets += length $self->{server}{messages}[ $_ - 1 ] for @present;
    return '+OK ' . @present . " $octets\r\n";
}

sub _listing {
    my ($self, $argument, $value) = @_;
    if (length $argument) {
        return "-ERR no such message\r\n" if !defined $self->_message($argument);
        return "+OK $argument " . $value->($argument) . "\r\n";
    }
    return join '', "+OK\r\n", (map { "$_ " . $value->($_) . "\r\n" } $self->_present), ".\r\n";
}

sub _pop3_list {
    my ($self, $argument) = @_;
    return $self->_listing($argument, sub { length $self->{server}{messages}[ $_[0] - 1 ] });
}

sub _pop3_uidl { my ($self, $argument) = @_; return $self->_listing($argument, sub { "uid-$_[0]" }) }

sub _pop3_retr {
    my ($self, $number) = @_;
    my $message = $self->_message($number) // return "-ERR no such message\r\n";
    return "+OK message follows\r\n" . wire($message);
}

sub _pop3_top {
    my ($self, $argument) = @_;
    my ($number, $lines) = split / /, $argument;
    my $message = $self->_message($number) // return "-ERR no such message\r\n";
    my ($head, $body) = split /(?<=\r\n)\r\n/, $message, 2;
    my @body = split /(?<=\r\n)/, $body // '';
    return "+OK top follows\r\n" . wire(join '', "$head\r\n", splice @body, 0, $lines);
}

sub _pop3_dele {
    my ($self, $number) = @_;
    return "-ERR no such message\r\n" if !defined $self->_message($number);
    $self->{deleted}{$number} = 1;
    return "+OK deleted\r\n";
}

sub _pop3_last { return "+OK 0\r\n" }
sub _pop3_noop { return "+OK\r\n" }
sub _pop3_rset { my ($self) = @_; $self->{deleted} = {}; return "+OK\r\n" }

sub _pop3_quit {
    my ($self) = @_;
    push @{ $self->{server}{committed} }, sort keys %{ $self->{deleted} };
    $self->{hang_up} = 1;
    return "+OK bye\r\n";
}

# For scripted servers: the next command line that is not CAPA (which gets a
# refusal), without its line end.
sub command {
    my ($self, $limit) = @_;
    while (1) {
        my $line = $self->line($limit);
        return $line if $line !~ /^CAPA\z/i;
        $self->send("-ERR no CAPA here\r\n");
    }
}

# For scripted servers: greeting and a login that succeeds.
sub admit {
    my ($self) = @_;
    $self->send("+OK ready\r\n");
    $self->command =~ /^USER / or die "server: no USER\n";
    $self->send("+OK\r\n");
    $self->command =~ /^PASS / or die "server: no PASS\n";
    $self->send("+OK logged in\r\n");
    return $self;
}

1;
