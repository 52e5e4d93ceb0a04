# SPDX-License-Identifier: BSD-2-Clause
#
# The alert rules and the dashboard of contrib/monitoring: every metric and reason that they name is there,
# every alert names an entry of the runbook, and promtool finds that each rule fires when it should.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tables qw(events reasons);
use Pop3Test::Tls;
use JSON::PP ();

my $folder    = "$FindBin::Bin/../contrib/monitoring";
my $rules     = read_file("$folder/alerts.yml");
my $dashboard = JSON::PP::decode_json(read_file("$folder/dashboard.json"));
my %reasons   = reasons();
my @panels    = @{ $dashboard->{panels} };
my @queries   = ((map { $_->{expr} } map { @{ $_->{targets} } } @panels), map { ref $_->{query} ? () : $_->{query} } @{ $dashboard->{templating}{list} });
my @alerts    = map { { name => /^(\w+)/, expr => / expr: '(.*)'$/m, runbook => / runbook: '(.*)'$/m } } $rules =~ /^      - alert: (.*?)(?=^      - alert: |\z)/gms;

# The metrics of a server that has all that can be measured.
sub metrics {
    my %tls;
    if (features()->{tls} && Pop3Test::Tls::has_openssl()) {
        my $identity = Pop3Test::Tls::identity(name => 'mail', san => ['DNS:mail.example.net']);
        %tls = (tls => 'stls', tls_certificate => $identity->{certificate}, tls_key => $identity->{key});
    }
    my $server = server();
    my $table  = write_file(directory() . '/table', 'anna ' . $server->address . "\n");
    my $master = master(server => $server->address, route => "file:$table", %tls,
        features()->{groups} ? (-groups => [ stores => { servers => $server->address } ]) : ());
    $master->client->login('anna')->quit;
    my ($text) = $master->ask('metrics');
    return map { $_ => 1 } $text =~ /^([a-z][a-z0-9_]*)(?:\{| )/mg;
}

scene 'every metric that they name is there' => sub {
    my %there = metrics();
    my @named = map { /\b((?:pop3_proxy|up)(?:_[a-z0-9_]+)?)\b/g } @queries, map { $_->{expr} } @alerts;
    my %named = map { $_ => 1 } grep { $_ ne 'up' } @named;
    delete @named{ grep { /certificate/ } keys %named } if !features()->{tls};
    delete @named{ grep { /_server_/ } keys %named } if !features()->{groups};
    cmp_ok scalar keys %named, '>', 10, 'they name metrics';
    # Of reload_failed there is nothing before a reload.
    is_deeply [ grep { !$there{$_} } sort keys %named ], [], 'all of them';
    my @of_reasons = map { /\breason=~?"([^"]*)"/g } @queries, map { $_->{expr} } @alerts;
    cmp_ok scalar @of_reasons, '>', 3, 'they name reasons';
    for my $pattern (map { split /\|/ } @of_reasons) {
        ok scalar(grep { /\A$pattern\z/ } keys %reasons), "reason $pattern";
    }
};

scene 'each alert names an entry of the runbook' => sub {
    my %events = events();
    cmp_ok scalar @alerts, '>', 10, 'there are alerts';
    for my $alert (@alerts) {
        my ($word) = $alert->{runbook} =~ /\Apop3\.proxy explain ([a-z-]+)\z/;
        ok $word && ($events{$word} || $reasons{$word}), "$alert->{name}: $alert->{runbook}";
        is exit_code(run([ program(), 'explain', $word ])->{status}), 0, 'which has it';
    }
};

scene 'the rules' => sub {
    my $cases = read_file("$folder/alerts.test.yml");
    for my $alert (@alerts) {
        my @expected = $cases =~ /alertname: $alert->{name}\n        exp_alerts:( \[\]|)\n/g;
        ok scalar(grep { !$_ } @expected), "$alert->{name}: a case in which it fires";
        ok scalar(grep { $_ } @expected), "$alert->{name}: and one in which it does not";
    }
    installed('promtool') or return diag('promtool is not installed');
    for my $check ([qw(check rules alerts.yml)], [qw(test rules alerts.test.yml)]) {
        my $result = run([ 'sh', '-c', "cd $folder && exec promtool @$check" ], limit => 60);
        is exit_code($result->{status}), 0, "promtool @$check" or diag("$result->{out}$result->{err}");
    }
};

scene 'the dashboard' => sub {
    my %ids = map { $_->{id} => 1 } @panels;
    is scalar(keys %ids), scalar(@panels), 'every panel has a number of its own';
    is scalar(grep { !@{ $_->{targets} } || !length $_->{title} } @panels), 0, 'a title and a query';
    my @odd = grep { ($_->{gridPos}{x} + $_->{gridPos}{w}) > 24 } @panels;
    is scalar(@odd), 0, 'and a place on the page';
};

done;
