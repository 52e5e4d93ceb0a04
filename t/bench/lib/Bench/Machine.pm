# SPDX-License-Identifier: BSD-2-Clause
#
# The machine on which the figures were measured, and the versions of all peers.
package Bench::Machine;

use strict;
use warnings;
use Bench::Process;
use Bench::Stage;
use Bench::System qw(slurp);
use POSIX ();

sub version_of {
    my ($stage, $peer) = @_;
    my %ask = (haproxy => '-v', nginx => '-v', dovecot => '--version', hitch => '-V',
               stunnel => '-version', perdition => '--help', pop3 => '-V');
    my ($kind) = $peer->{name} =~ /^([a-z0-9]+)/;
    my $binary = $peer->{is_product} ? $stage->{opt}{proxy} : $peer->{binary};
    return undef unless $binary && $ask{$kind};
    my $process = Bench::Process->spawn(name => 'version', log => "$stage->{dir}/version-$kind",
                                        argv => [$binary, $ask{$kind}]);
    $process->wait_end(5);
    $process->stop;
    my $text = slurp("$stage->{dir}/version-$kind") || '';
    my ($line) = $text =~ /^(.*\d\.\d.*)$/m;
    return "$kind, version unknown" unless defined $line;
    return $line =~ /\Q$kind\E/i ? $line : "$kind $line";
}

# Hardware, system, versions, and how processor time and memory were counted.
sub describe {
    my ($stage) = @_;
    my ($model) = (slurp('/proc/cpuinfo') || '') =~ /^model name\s*:\s*(.*)$/m;
    my ($memory) = (slurp('/proc/meminfo') || '') =~ /^MemTotal:\s+(\d+)/m;
    my ($system, undef, $release, undef, $architecture) = POSIX::uname();
    my %version = map { $_->{name} => version_of($stage, $_) } @{$stage->{peers}};
    delete $version{$_} for grep { !defined $version{$_} } keys %version;
    return {cpu => $model || $architecture, cores => scalar(Bench::Stage::allowed_cores()),
            memory_mib => int(($memory || 0) / 1024), system => "$system $release",
            architecture => $architecture, versions => \%version, network => $stage->{network},
            cpu_counted_by => $stage->{groups}{cpu}, memory_counted_by => $stage->{groups}{memory}};
}

1;
