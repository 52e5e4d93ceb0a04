# SPDX-License-Identifier: BSD-2-Clause
#
# Keys of TLS in the processes of a server: a private key is in the master and in the workers of its
# instance, and nowhere else. Nothing is left of its file. Workers cannot write the ticket keys, and
# processes that need no ticket keys do not have them.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Process qw(count_in_memory run);
use Pop3Test::Tls;

plan(skip_all => 'needs /proc') if !-r '/proc/self/mem';
plan(skip_all => 'TLS is not built in') if !features()->{tls};
plan(skip_all => 'openssl is missing')  if !has_openssl();
plan(skip_all => 'not root: the memory of others cannot be read') if !is_root();
plan(skip_all => 'a sanitizer keeps freed memory') if is_sanitized();

my $piece_length = 24;

# The first octets of each private number of a key, as OpenSSL calculates with it, and as it is
# written in a file.
sub numbers_of {
    my ($identity) = @_;
    my $text = run([ 'openssl', 'pkey', '-noout', '-text', '-in', $identity->{key} ])->{out};
    my (@used, @written);
    while ($text =~ /^(?:priv|privateExponent|prime\d|exponent\d|coefficient):\n((?: +\S+\n)+)/mg) {
        my $number = pack('H*', $1 =~ s/[\s:]//gr) =~ s/^\0+//r;
        push @written, substr $number, 0, $piece_length;
        push @used, substr reverse($number), 0, $piece_length;
    }
    my ($line) = grep { length >= 2 * $piece_length && !/-/ } reverse split /\n/, read_file($identity->{key});
    return { used => \@used, written => [ @written, substr $line, 0, 2 * $piece_length ] };
}

sub count_all {
    my ($pid, @words) = @_;
    my $sum = 0;
    $sum += $_ for values %{ count_in_memory($pid, @words) };
    return $sum;
}

my %identity = (
    rsa    => identity(name => 'rsa',    san => ['DNS:rsa'], key => 'rsa'),
    ec     => identity(name => 'ec',     san => ['DNS:ec']),
    next   => identity(name => 'next',   san => ['DNS:next']),
    server => identity(name => 'server', san => ['DNS:server'], key => 'rsa'),
);
my %key = map { $_ => numbers_of($identity{$_}) } keys %identity;

# The keys that are in the memory of a process.
sub keys_in {
    my ($pid) = @_;
    return join ' ', grep { count_all($pid, @{ $key{$_}{used} }) } sort keys %key;
}

sub new_master {
    my $server = server();
    my $directory = directory();
    write_file("$directory/a.pem", read_file($identity{rsa}{both}));
    return (master(-instances => [
        a => { listen => '127.0.0.1:0', tls => 'stls', tls_certificate => $directory },
        b => { listen => '127.0.0.2:0', tls => 'stls', tls_certificate => $identity{ec}{certificate}, tls_key => $identity{ec}{key} },
        c => { listen => '127.0.0.3:0', server_tls => 'stls', server_tls_verify => 'no', server_tls_certificate => $identity{server}{both} },
        d => { listen => '127.0.0.4:0' },
    ], server => $server->address, workers => 1), $directory);
}

# The worker of the instance at an address; its session goes on.
my $serial = 0;
sub worker_at {
    my ($master, $host) = @_;
    my $name = 'user' . ++$serial;
    $master->client(to => $host)->login($name);
    return $master->worker_of($name);
}

scene 'private keys' => sub {
    my ($master, $directory) = new_master();
    is keys_in($master->pid), 'ec rsa server', 'the master has all';
    my $a = worker_at($master, '127.0.0.1');
    is keys_in($a), 'rsa', 'a worker of the first instance';
    is keys_in(worker_at($master, '127.0.0.2')), 'ec', 'of the second';
    is keys_in(worker_at($master, '127.0.0.4')), '', 'of one without TLS';
    is keys_in($_), '', 'a helper' for $master->helpers;
    is keys_in($master->status_pid), '', 'the process of the status';
    for my $pid ($master->pid, $master->children) {
        is count_all($pid, map { @{ $_->{written} } } values %key), 0, 'nothing of the files';
    }
    write_file("$directory/a.pem", read_file($identity{next}{both}));
    is $master->reload->{event}, 'reloaded', 'a reload with another key';
    is keys_in(worker_at($master, '127.0.0.1')), 'next', 'is all that a new worker has';
    is keys_in($a), 'rsa', 'the old one has its own';
    $_->close for @{ $master->{clients} };
    ok wait_until(sub { keys_in($master->pid) eq 'ec next server' }), 'the master forgets the old key with it';
};

scene 'the key for servers' => sub {
    my ($master) = new_master();
    my ($worker) = grep { keys_in($_) eq 'server' } $master->workers(4);
    ok $worker, 'one worker has it';
};

scene 'the helper of one session' => sub {
    my $said   = directory(0777) . '/helper';
    my $proxy  = proxy('--tls', 'implicit', '--tls-certificate', $identity{rsa}{both}, '-a', acp("echo \$PPID >$said"), server()->address);
    my $client = tls_client($proxy);
    $client->login('joe', 'secret');
    my ($helper) = read_file($said) =~ /(\d+)/;
    is keys_in($helper), '', 'it has no key';
    $client->quit;
};

# The mappings of a process that are the memory for ticket keys: their flags (smaps).
sub published_in {
    my ($pid) = @_;
    return map { /^VmFlags: (.*)/m } grep { /published/ } split /^(?=[0-9a-f]+-[0-9a-f]+ )/m, read_file("/proc/$pid/smaps");
}

scene 'ticket keys' => sub {
    my ($master) = new_master();
    for my $host ('127.0.0.1', '127.0.0.2') {
        my @found = published_in(worker_at($master, $host));
        is scalar @found, 1, 'a worker has them';
        unlike "@found", qr/\b(?:wr|mw)\b/, 'and can never write them';
    }
    is_deeply [ published_in(worker_at($master, '127.0.0.4')) ], [], 'a worker without TLS does not';
    is_deeply [ published_in($_) ], [], 'nor does a helper' for $master->helpers;
    is_deeply [ published_in($master->status_pid) ], [], 'nor the process of the status';
    is scalar(grep { /\bwr\b/ } published_in($master->pid)), 1, 'the master writes them';
};

done;
