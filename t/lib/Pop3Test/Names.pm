# SPDX-License-Identifier: BSD-2-Clause
#
# Names for one process: it gets another /etc/hosts and /etc/resolv.conf in its own mount namespace, and
# a test can play the name server. Mounting needs root.

package Pop3Test::Names;

use strict;
use warnings;
use Exporter 'import';
use Socket qw(:DEFAULT inet_pton);
use Test::More;
use Pop3Test;
use Pop3Test::Loop qw(watch_read unwatch each_turn now);

our @EXPORT = qw(why_no_namespace with_files name_server A AAAA CNAME);

# Why there can be no mount namespace here; undef if there can.
sub why_no_namespace {
    my $probe = run([ @{ with_files('') }, 'true' ]);
    return exit_code($probe->{status}) eq 0 ? undef : 'cannot have a mount namespace: ' . $probe->{err} =~ s/\n.*//sr;
}

# A command that executes the rest with these texts as /etc/hosts and /etc/resolv.conf.
sub with_files {
    my ($hosts, $resolv) = @_;
    my $dir = directory();
    write_file("$dir/hosts",  $hosts);
    write_file("$dir/resolv", $resolv // "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    return [ qw(unshare -m sh -c),
        'mount --bind "$0/hosts" /etc/hosts && mount --bind "$0/resolv" /etc/resolv.conf && exec "$@"', $dir ];
}

# Records for an answer.
sub A    { my ($address, $ttl) = @_; return [ 1,  inet_aton($address),           $ttl // 60 ] }
sub AAAA { my ($address, $ttl) = @_; return [ 28, inet_pton(AF_INET6, $address), $ttl // 60 ] }

# An alias, which is in the answer to every type.
sub CNAME { my ($name, $ttl) = @_; return [ 5, join('', map { pack 'C/a*', $_ } split /\./, $name) . "\0", $ttl // 60 ] }

# A name server on a free address of loopback. $answer->($name, $type) returns
#   a list of records                the answer, with those of the type that was asked for
#   []                               there is no such name
#   a number                         this response code: 2 is SERVFAIL
#   undef                            no answer at all
#   a string                         these octets as they are
#   {after => seconds, send => ...}  one of these, later
# $settings{conf}: further lines of resolv.conf. The object: wrapper (as of with_files), ip, and queries: a
# list of "NAME TYPE".
sub name_server {
    my ($answer, %settings) = @_;
    for my $number (1 .. 200) {
        my $ip = "127.53." . $$ % 250 . ".$number";
        socket my $socket, PF_INET, SOCK_DGRAM, 0 or die "socket: $!\n";
        bind $socket, pack_sockaddr_in(53, inet_aton($ip)) or next;
        $socket->blocking(0);
        my $self = bless { ip => $ip, socket => $socket, queries => [], answer => $answer, later => [] }, __PACKAGE__;
        $self->{wrapper} = with_files("127.0.0.1 localhost\n",
            "nameserver $ip\noptions timeout:1 attempts:1\n" . ($settings{conf} // ''));
        watch_read($socket, sub { $self->_readable });
        each_turn(sub { $self->_send_later });
        return $self;
    }
    die "no name server address is free\n";
}

# The file that is /etc/resolv.conf for its processes.
sub resolv_conf { my ($self) = @_; return "$self->{wrapper}[-1]/resolv" }

# How many queries match.
sub asked { my ($self, $pattern) = @_; return scalar grep { /$pattern/ } @{ $self->{queries} } }

sub _readable {
    my ($self) = @_;
    while (defined(my $from = recv $self->{socket}, my $query, 4096, 0)) {
        my ($at, @labels) = (12);
        while (my $length = ord substr $query, $at, 1) {
            push @labels, substr $query, $at + 1, $length;
            $at += $length + 1;
        }
        my $name = lc join '.', @labels;
        my $type = unpack 'n', substr $query, $at + 1, 2;
        push @{ $self->{queries} }, "$name $type";
        my $answer = $self->{answer}->($name, $type);
        my $is_later = ref $answer eq 'HASH';
        push @{ $self->{later} }, { at => now() + ($is_later ? $answer->{after} : 0), to => $from,
            octets => _reply($query, $at + 5, $type, $is_later ? $answer->{send} : $answer) };
    }
    return $self->_send_later;
}

sub _send_later {
    my ($self) = @_;
    my $now = now();
    for my $reply (grep { $_->{at} <= $now && defined $_->{octets} } @{ $self->{later} }) {
        send $self->{socket}, $reply->{octets}, 0, $reply->{to};
    }
    @{ $self->{later} } = grep { $_->{at} > $now } @{ $self->{later} };
    return;
}

# The question of a query ends at $end.
sub _reply {
    my ($query, $end, $type, $answer) = @_;
    my $code = ref $answer ? (@$answer ? 0 : 3) : $answer;
    return $answer if !defined $code || $code !~ /\A\d+\z/;
    my @same = ref $answer ? grep { $_->[0] == $type || $_->[0] == 5 } @$answer : ();
    return pack('n6', unpack('n', $query), 0x8180 | $code, 1, scalar @same, 0, 0)
        . substr($query, 12, $end - 12) . join '', map { pack 'n n n N n/a*', 0xc00c, $_->[0], 1, $_->[2], $_->[1] } @same;
}

1;
