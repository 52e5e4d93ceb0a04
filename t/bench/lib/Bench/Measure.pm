# SPDX-License-Identifier: BSD-2-Clause
#
# Measures a workload: all peers, one after the other, round after round. If the machine becomes
# slower, it does so for all of them.
package Bench::Measure;

use strict;
use warnings;
use Bench::Figures;
use Bench::Load;
use Bench::Peers;
use Bench::Progress;
use Bench::Stage;
use Bench::Turn;
use JSON::PP ();

sub note_to {
    my ($stage, $result, $name) = @_;
    my $notes = $result->{notes}{$name} ||= [];
    return sub {
        my $text = shift;
        $text =~ s{\Q$stage->{dir}\E/\d+-}{}g;
        push @$notes, $text unless grep { $_ eq $text } @$notes;
    };
}

# ---- a workload: all peers, all rounds ----

sub able_peers {
    my ($stage, $workload) = @_;
    return grep { Bench::Peers::can_do($stage->{opt}, $_, $workload) } @{$stage->{peers}};
}

sub start_all {
    my ($stage, $workload, $cores, $result) = @_;
    my %running;
    for my $peer (able_peers($stage, $workload)) {
        my $note = note_to($stage, $result, $peer->{name});
        my $one = eval { Bench::Turn::start_peer($stage, $peer, $workload, $cores, $note) };
        if ($one) { $running{$peer->{name}} = $one; next }
        die $@ if $@ eq "interrupted\n";
        chomp(my $why = $@);
        $note->("left out: $why");
    }
    return %running;
}

# Peers that one expects in a table about TLS and that cannot be in this one.
sub note_lacking {
    my ($stage, $workload, $result) = @_;
    for my $peer (grep { $_->{tls} } @{$stage->{peers}}) {
        note_to($stage, $result, $peer->{name})->("left out: no TLS with the $_")
            for Bench::Peers::lacking_tls($peer, $workload);
    }
}

sub stop_peers { my (%running) = @_; Bench::Turn::stop($_) for values %running }

# The order rotates by one each round, so that no peer always follows the same one.
sub order_of_round {
    my ($round, @names) = @_;
    my $shift = $round % @names;
    return @names[$shift .. $#names, 0 .. $shift - 1];
}

sub fresh_peer {
    my ($stage, $peer, $workload, $cores, $running, $note) = @_;
    return $running->{$peer->{name}} unless $workload->{is_fresh} && $peer->{start};
    my $one = eval { Bench::Turn::start_peer($stage, $peer, $workload, $cores, $note) };
    return $one if $one;
    die $@ if $@ eq "interrupted\n";
    $note->("left out: $@" =~ s/\s+$//r);
    return undef;
}

# The result of a workload on these cores (Bench::Figures adds the summary of the rounds).
sub measure {
    my ($stage, $workload, $pin) = @_;
    my $cores = Bench::Stage::cores_of($pin);
    my $result = {workload => $workload->{name}, what => $workload->{what}, pin => $pin,
                  about => $workload->{about}, clients => $workload->{clients},
                  rounds => $stage->{opt}{rounds}, seconds => $stage->{opt}{seconds},
                  is_tls => ($workload->{tls} || {})->{client} ? JSON::PP::true() : undef,
                  notes => {}, peers => {}};
    Bench::Stage::start_server($stage, $cores);
    set_rate($stage, $workload, $cores, $result) if $workload->{name} eq 'open';
    my %running = $workload->{is_fresh}
        ? map { $_->{name} => {port => $stage->{server_port}} } able_peers($stage, $workload)
        : start_all($stage, $workload, $cores, $result);
    note_lacking($stage, $workload, $result);
    my %peer = map { $_->{name} => $_ } @{$stage->{peers}};
    my @names = grep { $running{$_} } map { $_->{name} } @{$stage->{peers}};
    for my $round (0 .. $stage->{opt}{rounds} - 1) {
        for my $name (@names ? order_of_round($round, @names) : ()) {
            my $one = fresh_peer($stage, $peer{$name}, $workload, $cores, \%running,
                                 note_to($stage, $result, $name))
                or next;
            my $turn = $round + 1;
            die "interrupted\n" if $stage->{is_interrupted};   # in case an eval took the first one
            Bench::Progress::turn("round $turn of $stage->{opt}{rounds}: $name");
            $result->{peers}{$name}{rounds}[$round] =
                Bench::Turn::take_turn($stage, $one, $workload, $cores);
            $one->{process}->stop if $workload->{is_fresh} && $one->{process};
        }
    }
    stop_peers(%running);
    $stage->{canned}->stop;
    $_->{rounds} = [map { $_ || {errors => 0} } @{$_->{rounds}}] for values %{$result->{peers}};
    correct_estimates($stage, $result);
    Bench::Figures::summarise($result);
    return $result;
}

# The kernel memory of sessions without a proxy is the part of load generator and server.
sub correct_estimates {
    my ($stage, $result) = @_;
    return unless $result->{about} eq 'memory' && Bench::Turn::is_estimating($stage);
    my $direct = delete $result->{peers}{direct};
    my @direct = @{($direct || {})->{rounds} || []};
    my $share = Bench::Figures::median(map { $_->{memory_kernel} } @direct);
    if (!defined $share) {
        note_to($stage, $result, $_)->('the share of load and server is in it: measure direct too')
            for keys %{$result->{peers}};
    }
    for my $round (map { @{$_->{rounds}} } values %{$result->{peers}}) {
        next unless defined $round->{memory_kernel} && defined $share;
        $round->{memory_kernel} -= $share;
        $round->{memory} -= $share;
    }
}

# Half of the largest rate of the reference; the same rate for all.
sub set_rate {
    my ($stage, $workload, $cores, $result) = @_;
    my $rate = $stage->{opt}{rate};
    if (!$rate) {
        my ($peer) = ((grep { $_->{name} eq $Bench::Figures::REFERENCE } @{$stage->{peers}}),
                      (grep { $_->{name} eq 'floor_event' } Bench::Peers::all()));
        my $running = Bench::Turn::start_peer($stage, $peer, $workload, $cores, sub { });
        my $found = Bench::Load::run_load($stage, $running->{port}, $cores, {limit => 60},
            '--mode', 'closed', '--clients', 64, '--seconds', 1);
        $running->{process}->stop;
        $rate = int($found->{sessions} / ($found->{seconds} || 1) / 2) || 1;
    }
    $workload->{load} = [@{$workload->{load}}, '--rate', $rate];
    $result->{rate} = $rate;
    $result->{what} = "$workload->{what}, $rate a second";
}

1;
