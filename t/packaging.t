# SPDX-License-Identifier: BSD-2-Clause
#
# What the packages bring with them: systemd knows every directive of the units, and the AppArmor profile
# allows every file that a server with the packaged settings opens.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use IO::Socket::IP ();
use Pop3Test::Client;
use Pop3Test::Process qw(installed free_port);
use Pop3Test::Tls;

my $top     = "$FindBin::Bin/..";
my $profile = "$top/debian/apparmor/usr.sbin.pop3.proxy";

# ---- systemd ----

# Copies of the units that start this program.
sub units {
    my $folder = directory(0755);
    for my $name (map { s{.*/}{}r } glob "$top/contrib/systemd/*") {
        my $text = $name =~ s/\.in\z// ? example("systemd/$name") : read_file("$top/contrib/systemd/$name");
        $text =~ s{^(Exec\w+=)\S+/pop3\.proxy }{$1/bin/true }mg;
        write_file("$folder/$name", $text);
    }
    return map { s{.*/}{}r => $_ } glob "$folder/*";
}

scene 'systemd finds nothing wrong with the units' => sub {
    my $analyze = installed('systemd-analyze') or plan(skip_all => 'systemd-analyze is not installed');
    my %units = units();
    is scalar keys %units, 5, 'units';
    for my $name (sort keys %units) {
        my $verify = sub { my $result = run([ $analyze, 'verify', '--man=no', $units{$name} ], limit => 60); return $result->{out} . $result->{err} };
        my $said = $verify->();
        $said =~ /Failed to (?:connect|initialize|setup|set up)/ and plan(skip_all => "systemd-analyze cannot verify here: $said");
        is $said, '', "$name: no complaint";
    }
    my $text = read_file($units{'pop3-proxy.service'});
    write_file($units{'pop3-proxy.service'}, $text =~ s/^ProtectClock=/ProtectClocks=/mr);
    like run([ $analyze, 'verify', '--man=no', $units{'pop3-proxy.service'} ], limit => 60)->{err}, qr/ProtectClocks/, 'an unknown directive is told';
    write_file($units{'pop3-proxy.service'}, $text);
    for my $name (grep { /\.service\z/ } sort keys %units) {
        my ($promised) = read_file($units{$name}) =~ /`systemd-analyze security` reports(?:\n#)? ([0-9.]+?)\.$/m;
        my $result = run([ $analyze, 'security', '--offline=true', $units{$name} ], limit => 60);
        my ($exposure) = $result->{out} =~ /exposure level for \S+: ([0-9.]+)/;
        plan(skip_all => "systemd-analyze cannot judge here: $result->{err}") if !defined $exposure;
        is $exposure, $promised, "$name: how exposed it is, as its comment says";
    }
};

# ---- AppArmor ----

# A pattern of a profile as a regular expression.
my %glob = ('**' => '.*', '*' => '[^/]*', '?' => '[^/]', '{' => '(?:', '}' => ')', ',' => '|');

sub pattern {
    my ($text) = @_;
    $text =~ s{/+}{/}g;
    my $depth = 0;
    my $regex = '';
    for my $part ($text =~ /(\*\*|\[[^]]*\]|\\.|.)/g) {
        $depth += $part eq '{' ? 1 : $part eq '}' ? -1 : 0;
        $regex .= $part =~ /\A[[\\]/ ? $part : defined $glob{$part} && ($part ne ',' || $depth) ? $glob{$part} : quotemeta $part;
    }
    return qr/\A$regex\z/;
}

# The rules for files of a profile with all that it includes: [pattern, permissions].
sub file_rules {
    my ($text) = @_;
    my %variable = map { /^(@\{\w+\}) *= *(.*)$/ ? ($1 => [ split ' ', $2 ]) : () } split /\n/, $text;
    my $expand;
    $expand = sub {
        my ($path) = @_;
        my ($name) = $path =~ /(@\{\w+\})/ or return $path;
        return map { my $value = $_; $expand->($path =~ s/\Q$name\E/$value/r) } @{ $variable{$name} || [] };
    };
    return map { my $rule = $_; map { [ pattern($_), $rule->[1] ] } $expand->($rule->[0]) }
        map { m{^\s*(?:owner )?((?:/|@\{)\S*)\s+([a-zA-Z]+),} ? [ $1, $2 ] : () } split /\n/, $text;
}

# What the processes in a trace have done with files: path => permissions that this needs. strace -y tells
# the file that is behind a symbolic link; with O_PATH nothing is asked of the profile.
sub uses {
    my ($trace) = @_;
    my %uses;
    for my $line (grep { !/ = -1 |O_PATH/ } split /\n/, $trace) {
        my ($call, $arguments, $opened) = $line =~ /\A(?:\d+ +)?(\w+)\((.*)\) += \d+(?:<(.*)>)?\z/ or next;
        if (defined $opened && $call =~ /^open|^creat/) {
            $opened =~ s/ ?\(deleted\)//;
            $opened =~ s{\z}{/} if $arguments =~ /O_DIRECTORY/;
            $uses{$opened} .= $arguments =~ /O_RDWR/ ? 'rw' : $arguments =~ /O_WRONLY/ || $call eq 'creat' ? 'w' : 'r';
        }
        else { $uses{$_} .= 'w' for $arguments =~ m{"(/[^"]*)"}g }
    }
    return %uses;
}

# Starts the packaged settings, with all that is optional as well, below a directory that stands for /.
sub start_packaged {
    my ($root, $trace, $address) = @_;
    my $text = read_file("$top/debian/pop3.proxy.conf");
    my $identity = Pop3Test::Tls::identity(name => 'mail', san => ['DNS:mail.example.net']);
    mkdir "$root/$_" for qw(etc etc/pop3.proxy run run/pop3.proxy var var/log var/log/pop3.proxy var/lib var/lib/pop3.proxy var/lib/pop3.proxy/clients);
    chmod 0777, "$root/var/lib/pop3.proxy/clients";
    chmod 0755, $root;
    write_file("$root/etc/pop3.proxy/$_->[0]", read_file($identity->{ $_->[1] })) for [ 'cert.pem' => 'certificate' ], [ 'cert.key' => 'key' ];
    write_file("$root/etc/pop3.proxy/moved", "anna $address\n");
    my $port = free_port();
    $text =~ s/^user = .*/user = nobody/m or die;
    $text =~ s/^listen = .*/listen = 127.0.0.1:$port\nclient_log = \/var\/lib\/pop3.proxy\/clients\nroute = file:\/etc\/pop3.proxy\/moved/m or die;
    $text =~ s/^server = .*/server = localhost:9\ntls = stls\ntls_certificate = \/etc\/pop3.proxy\/cert.pem\ntls_key = \/etc\/pop3.proxy\/cert.key\nworkers = 1/m or die;
    $text =~ s/^(log = .*)/$1\nstatus_page = totals\nmetrics_listen = 127.0.0.1:@{[ free_port() ]}/m or die;
    $text =~ s{ = /|(?<=file:)/}{$& =~ s/\///r . "$root/"}ge;
    write_file("$root/etc/pop3.proxy.conf", $text);
    my $process = Pop3Test::Process::spawn(command => [ installed('strace'), '-qq', '-f', '-y', '-o', $trace, '-s', 4096,
        '-e', 'trace=open,openat,creat,unlink,unlinkat,rename,renameat,renameat2,bind,connect,mkdir',
        program(), '-p', "$root/run/pop3.proxy/pid", '-f', "$root/etc/pop3.proxy.conf" ]);
    return ($process, $port);
}

scene 'the AppArmor profile allows what a packaged server opens' => sub {
    plan(skip_all => 'a build with sanitizers') if is_sanitized();
    plan(skip_all => 'built without TLS or metrics, no strace, or not root')
        if !features()->{tls} || !features()->{metrics} || !installed('strace') || !is_root();
    my $parser = installed('apparmor_parser') or plan(skip_all => 'apparmor_parser is not installed');
    is exit_code(run([ $parser, '-QK', $profile ], limit => 60)->{status}), 0, 'the parser takes it';
    my @rules = file_rules(run([ $parser, '-QKp', $profile ], limit => 60)->{out});
    cmp_ok scalar @rules, '>', 100, 'rules, with those that it includes';
    my ($root, $server) = (directory(0755), server());
    my ($process, $port) = start_packaged($root, "$root/trace", $server->address);
    my $log = sub { -e "$root/var/log/pop3.proxy/log" ? read_file("$root/var/log/pop3.proxy/log") : '' };
    wait_until(sub { $log->() =~ /event=started/ || !$process->is_running }, 60);
    like $log->(), qr/event=started/, 'it starts';
    my $asked = run([ program(), '-f', "$root/etc/pop3.proxy.conf", 'status' ], limit => 60);
    is exit_code($asked->{status}), 0, 'and answers';
    my $socket = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) or die "cannot connect: $@\n";
    my $client = Pop3Test::Client->new($socket, name => 'client', tcp => 1);
    $client->login('anna')->quit;
    my ($master) = read_file("$root/run/pop3.proxy/pid") =~ /(\d+)/;
    kill 'HUP', $master;
    ok wait_until(sub { $log->() =~ /event=reloaded/ }, 60), 'reloads';
    kill 'TERM', $master;
    $process->wait;
    my %uses = uses(read_file("$root/trace"));
    my ($settings) = grep { m{/etc/pop3\.proxy\.conf\z} } keys %uses;
    ok $settings, 'the trace has its files';
    cmp_ok scalar keys %uses, '>', 20, 'files';
    my @missing;
    for my $path (sort keys %uses) {
        my $real = $path =~ s/\A\Q$root\E//r;
        my %allowed = map { map { $_ => 1 } split //, $_->[1] } grep { $real =~ $_->[0] } @rules;
        my %needed  = map { $_ => 1 } split //, $uses{$path};
        push @missing, map { "$real $_" } grep { !$allowed{$_} } sort keys %needed;
    }
    is_deeply \@missing, [], 'a rule allows each of them';
};

done;
