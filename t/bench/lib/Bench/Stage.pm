# SPDX-License-Identifier: BSD-2-Clause
#
# Where a run takes place: a network namespace, ports, cores, certificates, the POP3
# server. A stage is a hash: opt (options), dir (temporary directory), network and groups (words for
# the report), certificates (by kind: the files key, cert, pem), ca (a file to trust them by), user
# and group (of peers, when root), server, server_port, tls_port, auth_port and canned (while the
# server runs), peers (those to be measured).
package Bench::Stage;

use strict;
use warnings;
use Bench::Account;
use Bench::Process;
use Bench::System qw(slurp write_file in_path);
use Cwd qw(abs_path);
use Socket;

# Sets it up, with certificates only if one is needed.
sub new {
    my ($opt, $dir, $needs_certificates) = @_;
    my $stage = {opt => $opt, dir => $dir};
    $stage->{network} = set_up_network($stage);
    $stage->{groups} = Bench::Account::prepare();
    find_user($stage);
    make_certificates($stage) if $needs_certificates;
    return $stage;
}

# ---- a namespace and descriptors of our own ----

# Executes the driver again in a network namespace (root only) with as many descriptors as allowed.
sub go_inside {
    my ($opt, $program, @given) = @_;
    return if $opt->{inside};
    my @command = ($^X, abs_path($program), '--inside', @given);
    my $unshare = in_path('unshare');
    if ($opt->{namespace} && $> == 0 && $unshare && system($unshare, '--net', 'true') == 0) {
        unshift @command, $unshare, '--net';
    }
    # Root may raise the hard limit; other users keep theirs.
    my $limit = 'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"';
    exec '/bin/sh', '-c', $limit, 'run', @command or die "/bin/sh: $!\n";
}

# In a new namespace loopback is down, and its settings are ours alone. The congestion control bbr
# would slow loopback down, so another one is set.
sub set_up_network {
    my ($stage) = @_;
    socket my $socket, AF_INET, SOCK_DGRAM, 0 or die "socket: $!\n";
    my $request = pack 'a16 s x14', 'lo', 0;
    my ($get_flags, $set_flags, $is_up) = (0x8913, 0x8914, 1);
    ioctl $socket, $get_flags, $request or return 'loopback only as the machine has it';
    my $now = unpack 'x16 s', $request;
    return 'the machine\'s network' if $now & $is_up || !$stage->{opt}{namespace} || $> != 0;
    ioctl $socket, $set_flags, pack 'a16 s x14', 'lo', $now | $is_up or die "lo: $!\n";
    my %setting = ('ipv4/tcp_congestion_control' => 'reno', 'core/somaxconn' => 8192,
                   'ipv4/tcp_max_syn_backlog' => 8192, 'ipv4/ip_local_port_range' => '20000 65000');
    write_file("/proc/sys/net/$_", "$setting{$_}\n") for sort keys %setting;
    return 'a network namespace of its own';
}

my $last_port = 10000 + $$ % 2000;

# A port on which no program listens, below those that clients get.
sub free_port {
    for (1 .. 5000) {
        $last_port = $last_port < 19000 ? $last_port + 1 : 10000;
        socket my $socket, AF_INET, SOCK_STREAM, 0 or die "socket: $!\n";
        setsockopt $socket, SOL_SOCKET, SO_REUSEADDR, pack 'l', 1;
        return $last_port if bind $socket, pack_sockaddr_in($last_port, INADDR_LOOPBACK);
    }
    die "no free port\n";
}

# ---- certificates, cores, server ----

sub allowed_cores {
    my $status = slurp('/proc/self/status') || '';
    my ($list) = $status =~ /^Cpus_allowed_list:\s*(\S+)/m;
    return map { /^(\d+)-(\d+)$/ ? ($1 .. $2) : $_ } split /,/, defined $list ? $list : '0';
}

sub cores_of {
    my ($pin) = @_;
    my @cores = allowed_cores();
    return {proxy => $cores[0], rest => $cores[0], count => 1} if $pin eq 'one';
    return {proxy => undef, rest => undef, count => scalar @cores} if $pin eq 'none';
    die "--pin apart needs two cores\n" if @cores < 2;
    return {proxy => $cores[0], rest => $cores[1], count => 1};
}

my %key_options = (p256 => [qw(ec -pkeyopt ec_paramgen_curve:prime256v1)], rsa => ['rsa:2048']);

sub make_certificate {
    my ($stage, $kind) = @_;
    my $openssl = in_path('openssl') or die "openssl is not installed\n";
    my %file = map { $_ => "$stage->{dir}/$kind-$_.pem" } qw(key cert pem);
    my $maker = Bench::Process->spawn(name => 'openssl', log => "$stage->{dir}/openssl.log",
        argv => [$openssl, qw(req -x509 -nodes -days 2 -newkey), @{$key_options{$kind}},
                 '-subj', "/CN=$kind.pop3.bench",
                 '-addext', 'subjectAltName=DNS:pop3.bench,IP:127.0.0.1',
                 '-keyout', $file{key}, '-out', $file{cert}]);
    my $status = $maker->wait_end(30);
    $maker->stop;
    die "openssl made no certificate\n" unless defined $status && $status == 0;
    my $pem = join '', map { slurp($_) } @file{qw(key cert)};
    write_file($file{pem}, $pem) or die "$file{pem}: $!\n";
    chmod 0644, @file{qw(key pem)};             # peers that run as nobody read it themselves
    return \%file;
}

# One of each kind.
sub make_certificates {
    my ($stage) = @_;
    my %made = map { $_ => make_certificate($stage, $_) } sort keys %key_options;
    $stage->{certificates} = \%made;
    $stage->{ca} = "$stage->{dir}/ca.pem";
    write_file($stage->{ca}, join '', map { slurp($_->{cert}) } values %made)
        or die "$stage->{ca}: $!\n";
}

sub find_user {
    my ($stage) = @_;
    return if $> != 0;
    my @nobody = getpwnam 'nobody' or return;
    @$stage{qw(user group)} = ('nobody', scalar getgrgid $nobody[3]);
}

sub start_server {
    my ($stage, $cores) = @_;
    @$stage{qw(server server_port auth_port)} = ('127.0.0.1', free_port(), free_port());
    my @tls;
    if (my $files = $stage->{certificates} && $stage->{certificates}{p256}) {
        $stage->{tls_port} = free_port();
        @tls = ('--listen-tls', "127.0.0.1:$stage->{tls_port}", '--cert', $files->{cert},
                '--key', $files->{key});
    }
    my $server = Bench::Process->spawn(name => 'canned', pipes => 1, cores => $cores->{rest},
        log => "$stage->{dir}/canned.log",
        argv => ["$stage->{opt}{programs}/pop3_canned", '--with-parent',
                 '--listen', "127.0.0.1:$stage->{server_port}",
                 '--auth-http', "127.0.0.1:$stage->{auth_port}", @tls]);
    for (1 .. 3) {
        my $line = $server->line(10);
        return $stage->{canned} = $server if defined $line && $line =~ /^ready /;
    }
    die 'pop3_canned does not start: ' . (slurp("$stage->{dir}/canned.log") || '') . "\n";
}

1;
