# SPDX-License-Identifier: BSD-2-Clause
#
# What tests of time limits share: slow parties, and the time at which a session ends.

package Pop3Test::Slow;

use strict;
use warnings;
use Exporter 'import';
use Socket qw(:DEFAULT);
use Test::More;
use Pop3Test::Loop qw(each_turn now);

our @EXPORT = qw(ends_at drip fill_queue);

# The session of $client ends $limit seconds after $since, not more than 0.1 s earlier. The
# reason in its log line proves that this limit ended it, because all other limits are longer
# than any wait of a test. Returns what came before the end.
sub ends_at {
    my ($name, $client, $since, $limit) = @_;
    my $rest = $client->rest;
    cmp_ok $client->{eof} - $since, '>=', $limit - 0.1, "$name: not before the limit";
    return $rest;
}

# Sends $octets every $seconds in the background until the stream is closed,
# or $times times.
sub drip {
    my ($stream, $octets, $seconds, $times) = @_;
    my $next = now();
    each_turn(sub {
        return if $stream->{eof} || now() < $next || defined $times && $times-- <= 0;
        $next = now() + $seconds;
        $stream->send($octets);
    });
    return;
}

# Fills the queue of a listening IPv4 socket, so that the next connection hangs.
# Returns the sockets to keep, or none if connections do not hang on this system.
sub fill_queue {
    my ($listener) = @_;
    listen $listener, 0 or die "listen: $!\n";
    my @queued;
    for (1 .. 8) {
        socket my $socket, PF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
        $socket->blocking(0);
        connect $socket, getsockname $listener;
        push @queued, $socket;
    }
    vec(my $ready = '', fileno $queued[-1], 1) = 1;
    return select(undef, $ready, undef, 0.1) ? () : @queued;
}

1;
