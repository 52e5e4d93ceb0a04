# SPDX-License-Identifier: BSD-2-Clause
#
# The workloads: what the load generator does in each, and which figure counts.
package Bench::Workloads;

use strict;
use warnings;
use Bench::Options;

# about: which figure counts (Bench::Figures). load: arguments of pop3_load, not time and address.
# tls: the sides that have it, each with the kind of the certificate there.
# is_fresh: the peers start again for each turn, because a pool that has grown has an advantage.
sub closed {
    my ($opt, $clients, @more) = @_;
    return ['--mode', 'closed', '--clients', $clients, '--seconds', $opt->{seconds}, @more];
}

sub wan {
    my ($opt, $script, $clients) = @_;
    my $seconds = $opt->{quick} ? 2 : 2 * $opt->{seconds};
    return {name => "wan-$script-$clients", what => "$script, $clients clients 30 ms away",
            about => 'cpu', clients => $clients, seconds => $seconds + 3,
            load => ['--mode', 'closed', '--clients', $clients, '--seconds', $seconds,
                     '--script', $script, '--delay-ms', 30, '--ramp-ms', 500, '--sources', 50]};
}

sub size {
    my ($opt, $name, $octets) = @_;
    return {name => "size-$name", what => "fetch of one message of $octets octets, 64 clients",
            about => 'cpu', clients => 64,
            load => closed($opt, 64, '--script', 'fetch', '--messages', 1, '--size', $octets)};
}

# How the cost of a poll grows with a number that only the product has. Users and addresses come in
# turn.
sub grown {
    my ($opt, $kind, $count, $of_what) = @_;
    my %load = (users => ['--users', $count], addresses => ['--sources', $count]);
    return {name => "$kind-$count", what => "poll, 64 clients, $count $of_what", about => 'cpu',
            clients => 64, grown => $count, is_selecting => $kind eq 'allow',
            warm => $kind eq 'addresses' ? accounts_to_fill($count) : 0,
            load => closed($opt, 64, @{$load{$kind} || []})};
}

# The sessions after which the table of accounts is as full as so many addresses make it. It has
# 65,536 entries, and each session takes one for its address and one for its user.
sub accounts_to_fill { my ($count) = @_; return $count < 50_000 ? $count : 50_000 }

sub poll_tls {
    my ($opt, $key, $kind, $option) = @_;
    my ($name, $what) = $option eq '--tls' ? ("poll-tls-$key", 'full handshakes')
                                           : ("poll-tls-$key-resumed", 'with tickets');
    return {name => $name, what => "poll, TLS 1.3, $kind certificate, $what, 64 clients",
            about => 'cpu', clients => 64, tls => {client => $key},
            load => closed($opt, 64, $option)};
}

my @bulk = ('--script', 'bulk', '--messages', 1, '--size', 64 * 1024 * 1024);

sub bulk_tls {
    my ($opt, $name, $where, @sides) = @_;
    my @option = (grep { $_ eq 'client' } @sides) ? ('--tls') : ();
    return {name => "bulk-tls-$name", what => "one message of 64 MiB, TLS 1.3 $where, 4 clients",
            about => 'octets', clients => 4, tls => {map { $_ => 'p256' } @sides},
            load => closed($opt, 4, @option, @bulk)};
}

# What a login costs with each kind of table. All users of a million come in turn.
sub routing {
    my ($name, $what, @load) = @_;
    return {name => "route-$name", what => "poll, $what; each user has a server by the table",
            about => 'cpu', clients => 64, is_routing => 1, load => \@load};
}

# All workloads, with these options.
sub all {
    my ($opt) = @_;
    my $at_once = $opt->{quick} ? 500 : 2000;
    return (
        {name => 'poll', what => 'USER PASS STAT QUIT, 64 clients', about => 'cpu', clients => 64,
         load => closed($opt, 64)},
        {name => 'fetch', what => '10 messages of 8 KiB, UIDL LIST RETR DELE, 64 clients',
         about => 'cpu', clients => 64, load => closed($opt, 64, '--script', 'fetch')},
        {name => 'bulk', what => 'one message of 64 MiB, 4 clients', about => 'octets',
         clients => 4, load => closed($opt, 4, @bulk)},
        {name => 'idle', what => "$at_once sessions held", about => 'memory', is_fresh => 1,
         clients => $at_once, seconds => 4,
         load => ['--mode', 'idle', '--clients', $at_once, '--sources', 50]},
        {name => 'storm', what => "$at_once clients at once", about => 'last', is_fresh => 1,
         clients => $at_once, seconds => 2,
         load => ['--mode', 'storm', '--clients', $at_once, '--sources', 50]},
        {name => 'open', what => 'poll at a fixed rate', about => 'cpu', clients => 4000,
         load => ['--mode', 'open', '--clients', 4000, '--seconds', $opt->{seconds},
                  '--sources', 50]},
        wan($opt, 'poll', 1000), wan($opt, 'poll', 4000),
        wan($opt, 'fetch', 1000), wan($opt, 'fetch', 4000),
        poll_tls($opt, 'p256', 'P-256', '--tls'), poll_tls($opt, 'p256', 'P-256', '--tls-resume'),
        poll_tls($opt, 'rsa', 'RSA-2048', '--tls'),
        poll_tls($opt, 'rsa', 'RSA-2048', '--tls-resume'),
        bulk_tls($opt, 'client', 'with clients', 'client'),
        bulk_tls($opt, 'server', 'with the server', 'server'),
        bulk_tls($opt, 'both', 'on both sides', 'client', 'server'),
        (map { {name => "scale-$_", what => "poll, $_ clients", about => 'cpu', clients => $_,
                load => closed($opt, $_, '--sources', 50)} } 1, 8, 64, 512, 4096),
        size($opt, '1k', 1024), size($opt, '64k', 65536), size($opt, '1m', 1024 * 1024),
        routing('busy', '64 clients', @{closed($opt, 64)}),
        routing('1000', '1,000 logins a second', '--mode', 'open', '--clients', 1000, '--rate', 1000,
                '--seconds', $opt->{seconds}),
        (map { grown($opt, 'pool', $_, 'workers (or sixteen times the places)') } 4, 64, 1024),
        (map { grown($opt, 'instances', $_, 'instances') } 1, 10, 100),
        (map { grown($opt, 'allow', $_, 'names on the allow list') } 10, 1000, 100000),
        (map { grown($opt, 'servers', $_, 'servers in a group') } 1, 4, 16, 64),
        (map { grown($opt, 'users', $_, 'users in a `file:` table') } 10, 1000, 100000, 1000000),
        (map { grown($opt, 'addresses', $_, 'addresses, all limits on') } 10, 1000, 100000, 1000000),
    );
}

# The chosen workloads, by name or by the beginning of a name.
sub chosen {
    my ($opt) = @_;
    my @all = all($opt);
    return @all unless $opt->{workload};
    my @chosen;
    for my $name (split /,/, $opt->{workload}) {
        my @found = grep { $_->{name} eq $name } @all;
        @found = grep { $_->{name} =~ /^\Q$name\E-\w/ } @all unless @found;
        Bench::Options::usage("--workload $name: see --list") unless @found;
        push @chosen, @found;
    }
    return @chosen;
}

1;
