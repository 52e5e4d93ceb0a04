# SPDX-License-Identifier: BSD-2-Clause
#
# The peers of the benchmark: what each needs to be installed, which workloads it can do, and
# where its configuration comes from (Bench::Peers::*): written into a directory of its own. Each
# gets the settings a careful operator would give it for many short sessions, and none that
# switches off what it is there for. Peers that can be told to log nothing are told so.
#
# A peer's `start` gets a hash: dir, listen, port, server, server_port, auth_port, is_tls (with
# clients), pem, cert, key, server_ca (set: TLS with the server, which is pop3.bench, on
# server_port; a file to trust it by), cores (how many), sessions (at once), room (how many sessions
# the limit of descriptors allows), workload, proxy, programs, user, group, binary, note (a function
# for a remark), free_port (a function), grown (how large); it writes its files and returns the
# command line.
package Bench::Peers;

use strict;
use warnings;
use Bench::Options;
use Bench::Peers::Dovecot;
use Bench::Peers::Floor;
use Bench::Peers::Haproxy;
use Bench::Peers::Nginx;
use Bench::Peers::Perdition;
use Bench::Peers::Product;
use Bench::Peers::Tls;
use Bench::System qw(in_path);

# In the order of the tables.
# needs: programs one of which must be there; `proxy` and `programs` are the project's own.
# plain: can be asked for it; tls: on these sides. only: a pattern of workloads, slow: one it is
# left out of unless it is asked for by its name.
my @peers = (
    {name => 'direct', label => 'direct, no proxy', plain => 1},
    {name => 'floor_event', label => 'floor, event', plain => 1,
     start => \&Bench::Peers::Floor::start_event},
    {name => 'floor_blocking', label => 'floor, blocking', plain => 1,
     start => \&Bench::Peers::Floor::start_blocking},
    {name => 'pop3_hot', label => 'pop3.proxy, 4 workers', plain => 1, tls => 'client server',
     is_product => 1, start => \&Bench::Peers::Product::start_hot,
     only => qr/^(poll|fetch|bulk|open|storm|scale|size)/},
    {name => 'pop3_64', label => 'pop3.proxy, 64 workers', plain => 1, is_product => 1,
     start => \&Bench::Peers::Product::start_64, only => qr/^(poll|fetch)$/},
    {name => 'pop3_auto', label => 'pop3.proxy, default settings', plain => 1, tls => 'client server',
     is_product => 1, start => \&Bench::Peers::Product::start_auto},
    {name => 'pop3_many', label => 'pop3.proxy, many sessions a worker', plain => 1, tls => 'client server',
     is_product => 1, start => \&Bench::Peers::Product::start_many},
    {name => 'pop3_hot_auth', label => 'pop3.proxy, 4 workers, AUTH', plain => 1, is_product => 1,
     start => \&Bench::Peers::Product::start_hot_auth, only => qr/^(poll|open|storm)$/},
    {name => 'pop3_many_auth', label => 'pop3.proxy, many sessions, AUTH', plain => 1, is_product => 1,
     start => \&Bench::Peers::Product::start_many_auth, only => qr/^(poll|open|storm|wan-poll-.*)$/},
    {name => 'pop3_grown', label => 'pop3.proxy, one session a worker', plain => 1, is_product => 1,
     is_growing => 1, start => \&Bench::Peers::Product::start_grown},
    {name => 'pop3_grown_many', label => 'pop3.proxy, many sessions a worker', plain => 1,
     is_product => 1, is_growing => 1, start => \&Bench::Peers::Product::start_grown_many},
    {name => 'haproxy', label => 'HAProxy, TCP', plain => 1, tls => 'client server',
     needs => ['haproxy'], start => \&Bench::Peers::Haproxy::start},
    {name => 'haproxy_splice', label => 'HAProxy, splice', plain => 1, needs => ['haproxy'],
     start => \&Bench::Peers::Haproxy::start_splice, only => qr/^(bulk|fetch)$/},
    {name => 'nginx', label => 'nginx mail', plain => 1, tls => 'client', needs => ['nginx'],
     start => \&Bench::Peers::Nginx::start_mail},
    {name => 'nginx_64k', label => 'nginx mail, 64k', plain => 1, tls => 'client',
     needs => ['nginx'], start => \&Bench::Peers::Nginx::start_64k,
     only => qr/^(bulk|fetch|bulk-tls-.*)$/},
    {name => 'nginx_stream', label => 'nginx stream', tls => 'client server', needs => ['nginx'],
     start => \&Bench::Peers::Nginx::start_stream},
    {name => 'nginx_stream_64k', label => 'nginx stream, 64k', tls => 'client server',
     needs => ['nginx'], start => \&Bench::Peers::Nginx::start_stream_64k,
     only => qr/^bulk-tls-/},
    {name => 'dovecot', label => 'Dovecot login proxy', plain => 1, tls => 'client server',
     needs => ['dovecot'], start => \&Bench::Peers::Dovecot::start},
    {name => 'hitch', label => 'hitch', tls => 'client', needs => ['hitch'],
     start => \&Bench::Peers::Tls::start_hitch},
    {name => 'stunnel', label => 'stunnel', tls => 'client server',
     needs => ['stunnel', 'stunnel4', 'stunnel5'], start => \&Bench::Peers::Tls::start_stunnel},
    {name => 'perdition', label => 'perdition', plain => 1, needs => ['perdition'],
     start => \&Bench::Peers::Perdition::start, slow => qr/^(open|wan|scale-(512|4096))/},
);

# What has the programs on Debian and Ubuntu, by the first that is needed.
my %package = (haproxy => 'haproxy', dovecot => 'dovecot-pop3d', perdition => 'perdition',
               hitch => 'hitch', stunnel => 'stunnel4',
               nginx => 'nginx libnginx-mod-mail libnginx-mod-stream');

sub all { return @peers }

sub binary_of {
    my ($peer) = @_;
    my ($path) = grep { defined } map { in_path($_) } @{$peer->{needs} || []};
    return $path;
}

# "nginx" is the mail proxy with any buffer, not the stream proxy.
sub is_asked {
    my ($opt, $peer) = @_;
    return 1 unless $opt->{peer};
    return grep { $peer->{name} eq $_ || $peer->{name} =~ /^\Q$_\E_/ && $_ ne 'nginx' ||
                  $_ eq 'nginx' && $peer->{name} eq 'nginx_64k' } split /,/, $opt->{peer};
}

# Those that are asked for, by name or by the beginning of a name.
sub asked {
    my ($opt) = @_;
    for my $name (split /,/, $opt->{peer} || '') {
        Bench::Options::usage("--peer $name: see --list")
            unless grep { $_->{name} =~ /^\Q$name\E(_|$)/ } @peers;
    }
    return grep { is_asked($opt, $_) } @peers;
}

# Those of them that can be measured here; the others in `absent_r` by name, each with why.
sub chosen {
    my ($opt, $absent_r) = @_;
    my @chosen;
    for my $peer (asked($opt)) {
        $peer->{binary} = binary_of($peer);
        if ($peer->{needs} && !$peer->{binary}) {
            my $package = $package{$peer->{needs}[0]};
            $absent_r->{$peer->{name}} = "not installed: apt-get install $package";
        } elsif ($peer->{is_product} && !$opt->{proxy}) {
            $absent_r->{$peer->{name}} = 'no --proxy';
        } else {
            push @chosen, $peer;
        }
    }
    return @chosen;
}

# The sides on which a workload has TLS and a peer cannot.
sub lacking_tls {
    my ($peer, $workload) = @_;
    return grep { ($peer->{tls} || '') !~ /$_/ } sort keys %{$workload->{tls} || {}};
}

# Is this peer measured by this workload?
sub can_do {
    my ($opt, $peer, $workload) = @_;
    return 0 unless $workload->{tls} ? !lacking_tls($peer, $workload) : $peer->{plain};
    return 0 if !$workload->{grown} != !$peer->{is_growing};
    return 0 if $peer->{only} && $workload->{name} !~ $peer->{only};
    my $is_named = grep { $_ eq $peer->{name} } split /,/, $opt->{peer} || '';
    return $is_named || !($peer->{slow} && $workload->{name} =~ $peer->{slow});
}

1;
