# SPDX-License-Identifier: BSD-2-Clause
#
# The measured variants of pop3.proxy.
package Bench::Peers::Product;

use strict;
use warnings;
use Bench::Peers::Config qw(config);
use Bench::Peers::Routed ();
use Bench::System qw(slurp);
use POSIX ();

sub configure {
    my ($at, %key) = @_;
    my $proxy = '';
    my $instance = "listen = $at->{listen}:$at->{port}\n"
        . "server = $at->{server}:$at->{server_port}\n";
    $key{log} = "$at->{dir}/log";
    $key{user} = $at->{user} if $at->{user};
    for my $key (sort keys %key) {
        if ($key =~ /^(log|user|workers|max_workers)$/) {
            $proxy .= "$key = $key{$key}\n";
        } else {
            $instance .= "$key = $key{$key}\n";
        }
    }
    return config($at, 'proxy.ini', "[proxy]\n$proxy\n[instance bench]\n$instance");
}

# Does the program accept this configuration? Its output goes to a file for the report.
sub takes {
    my ($at, $file) = @_;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        open STDOUT, '>', "$at->{dir}/test-config" or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        { no warnings 'exec'; exec $at->{proxy}, '-T', '-f', $file }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return $? == 0;
}

# Keys that not every version knows are tried one by one. One that is refused is left out and
# reported, unless the variant makes no sense without it.
sub start {
    my ($at, $must, %wish) = @_;
    my %key = %$must;
    if ($at->{is_tls}) {
        @key{qw(tls tls_certificate tls_key)} = ('implicit', $at->{cert}, $at->{key});
    }
    @key{qw(server_tls server_tls_ca)} = ('implicit', $at->{server_ca}) if $at->{server_ca};
    if (!takes($at, configure($at, %key))) {
        my $why = slurp("$at->{dir}/test-config") || '';
        $why =~ s/\s+/ /g;
        die "not in this version: $why\n";
    }
    for my $key (sort keys %wish) {
        if (takes($at, configure($at, %key, $key => $wish{$key}))) {
            $key{$key} = $wish{$key};
        } else {
            $at->{note}->("$key is not taken");
        }
    }
    return ($at->{proxy}, '-f', configure($at, %key));
}

# Switches off the limits for each address and user, because all clients share few of them here.
my %open_door = (backlog => 4096, max_per_ip => 0, login_failures => 0, max_sessions_per_ip => 0,
    max_sessions_per_user => 0);

sub start_hot {
    my ($at, %more) = @_;
    return start($at, {workers => 4, max_workers => 4, %more}, %open_door);
}

sub start_64 {
    my ($at) = @_;
    return start($at, {workers => 64, max_workers => 64}, %open_door);
}

sub start_auto {
    my ($at) = @_;
    my $max = $at->{sessions} + 64;
    return start($at, {}, %open_door, max_workers => $max < 1024 ? 1024 : $max);
}

sub start_many {
    my ($at, %more) = @_;
    my $room = $at->{sessions} + 64;
    return start($at, {workers => $at->{cores}, max_workers => $at->{cores},
                               sessions_per_worker => $room < 1024 ? 1024 : $room, %more}, %open_door);
}

# Logs in at the server with one command instead of two.
sub start_hot_auth { return start_hot(@_, server_auth => 'plain') }

sub start_many_auth { return start_many(@_, server_auth => 'plain') }

# One of its own dimensions with the size `grown`, with one session a worker or many.
sub start_grown {
    my ($at) = @_;
    my $workers = $at->{workload} =~ /^pool-/ ? $at->{grown} : 8;
    return start_large($at, workers => $workers, max_workers => $workers);
}

sub start_grown_many {
    my ($at) = @_;
    my $places = $at->{workload} =~ /^pool-/ ? 16 * $at->{grown} : 1024;
    return start_large($at, workers => 1, max_workers => 1, sessions_per_worker => $places);
}

sub start_large {
    my ($at, %key) = @_;
    my $count = $at->{grown};
    # Addresses and users are counted only where there are limits: the defaults. No client reaches them.
    return start($at, \%key, backlog => 4096) if $at->{workload} =~ /^addresses-/;
    return start_routed($at, %key) if $at->{workload} =~ /^(servers|users)-/;
    if ($at->{workload} =~ /^allow-/) {
        my $names = join '', map { "mail$_.isp.example\n" } 2 .. $count;
        my $file = config($at, 'allow', "$names$at->{server}:$at->{server_port}\n");
        @key{qw(select_server delimiters allow_servers_file)} = ('yes', '"%"', $file);
    }
    my @command = start($at, \%key, %open_door);
    return @command unless $at->{workload} =~ /^instances-/;
    open my $file, '>>', $command[-1] or die "$command[-1]: $!\n";
    print {$file} "\n[instance more$_]\nlisten = $at->{listen}:" . $at->{free_port}->()
        . "\nserver = $at->{server}:$at->{server_port}\n" for 2 .. $count;
    close $file or die "$command[-1]: $!\n";
    return @command;
}

# With a group of so many servers, or a table of so many users.
sub start_routed {
    my ($at, %key) = @_;
    if ($at->{workload} =~ /^users-/) {
        return start($at, {%key, Bench::Peers::Routed::file_keys($at, $at->{grown})}, %open_door);
    }
    return Bench::Peers::Routed::with_group($at, Bench::Peers::Routed::group_text($at, $at->{grown}),
        start($at, \%key, %open_door));
}

1;
