# SPDX-License-Identifier: BSD-2-Clause
#
# TLS for tests, by programs and without a Perl module: openssl makes certificates,
# `openssl s_client' on two pipes is the client, and stunnel stands before a fake
# server.

package Pop3Test::Tls;

use strict;
use warnings;
use Exporter 'import';
use File::Temp ();
use IO::Socket::IP;
use Pop3Test::Client;
use Pop3Test::Loop qw(wait_until);
use Pop3Test::Process qw(run spawn installed free_port);

our @EXPORT = qw(has_openssl has_stunnel identity authority revocation tls_client tls_server free_port);

my $temporary = File::Temp->newdir('tlsXXXXXX', TMPDIR => 1);
chmod 0755, "$temporary" or die "$temporary: $!\n";
my $count = 0;

sub has_openssl { return defined installed('openssl') }
sub has_stunnel { return defined installed('stunnel') }

sub _openssl {
    my @arguments = @_;
    my $result = run([ 'openssl', @arguments ], env => { OPENSSL_CONF => '/dev/null' });
    die "openssl @arguments: $result->{err}\n" if $result->{status};
    return $result->{out};
}

sub _write {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return $path;
}

# A certificate authority.
sub authority {
    my ($name) = @_;
    return identity(name => $name // 'Test CA', is_ca => 1);
}

# A key and its certificate: {certificate, key, both}, files in PEM.
# name    the common name
# san     reference to a list such as 'DNS:a.example.org'
# key     'ec' (the default) or 'rsa'
# days    until it expires, also negative
# ca      an authority(); without it the certificate signs itself
sub identity {
    my (%option) = @_;
    my $path = "$temporary/" . ++$count;
    my $san  = join ',', @{ $option{san} || [] };
    _write("$path.cnf", join "\n", '[req]', 'distinguished_name = dn', 'prompt = no', 'x509_extensions = ext',
        '[dn]', "CN = $option{name}", '[ext]',
        $option{is_ca} ? ('basicConstraints = critical,CA:TRUE', 'keyUsage = keyCertSign,cRLSign')
                       : 'basicConstraints = CA:FALSE',
        length $san ? "subjectAltName = $san" : (), '');
    my @kind = ($option{key} // 'ec') eq 'rsa' ? qw(rsa:2048) : qw(ec -pkeyopt ec_paramgen_curve:P-256);
    _openssl(qw(req -new -nodes -newkey), @kind, '-config', "$path.cnf",
        '-keyout', "$path.key", '-out', "$path.csr");
    my @signer = $option{ca} ? ('-CA', $option{ca}{certificate}, '-CAkey', $option{ca}{key}, '-CAcreateserial')
                             : ('-signkey', "$path.key");
    _openssl(qw(x509 -req -in), "$path.csr", @signer, '-days', $option{days} // 90, '-extfile', "$path.cnf",
        qw(-extensions ext -out), "$path.crt");
    my $both = join '', map { local (@ARGV, $/) = "$path.$_"; <> } qw(crt key);
    chmod 0644, "$path.key";
    return { certificate => "$path.crt", key => "$path.key", both => _write("$path.pem", $both) };
}

# An OCSP response in DER that says that the identity is good.
sub revocation {
    my ($identity, $ca) = @_;
    my $path = "$temporary/" . ++$count;
    my $serial = _openssl(qw(x509 -noout -serial -in), $identity->{certificate}) =~ s/\Aserial=(\w+)\n/$1/r;
    _write("$path.index", "V\t491231235959Z\t\t$serial\tunknown\t/CN=x\n");
    _openssl(qw(ocsp -issuer), $ca->{certificate}, '-cert', $identity->{certificate}, '-reqout', "$path.req");
    _openssl(qw(ocsp -index), "$path.index", '-rsigner', $ca->{certificate}, '-rkey', $ca->{key},
        '-CA', $ca->{certificate}, '-reqin', "$path.req", '-respout', "$path.der", qw(-ndays 7));
    return "$path.der";
}

# A client that speaks TLS to a proxy; stls => 1 begins in the clear. Other options:
# args (for s_client), commands (s_client obeys R and others). After the end ->told has
# what s_client said about the connection.
sub tls_client {
    my ($proxy, %option) = @_;
    my $port = ref $proxy ? $proxy->{serving} ||= $proxy->serve : $proxy;
    my $path = "$temporary/" . ++$count . '.err';
    my @command = ('openssl', 's_client', '-connect', "127.0.0.1:$port",
        $option{commands} ? () : qw(-quiet -ign_eof), $option{stls} ? qw(-starttls pop3) : (),
        @{ $option{args} || [] });
    pipe my $their_in,  my $our_out or die "pipe: $!\n";
    pipe my $our_in, my $their_out  or die "pipe: $!\n";
    open my $errors, '>', $path or die "$path: $!\n";
    my $process = spawn(command => \@command, fds => { 0 => $their_in, 1 => $their_out, 2 => $errors });
    close $_ for $their_in, $their_out, $errors;
    my $client = Pop3Test::Tls::Client->new($our_in, wfh => $our_out, name => 'TLS client', s_client => $process,
        told => $path, stls => $option{stls}, ref $proxy ? (log => $proxy->{log}) : ());
    push @{ $proxy->{clients} }, $client if ref $proxy;
    return $client;
}

# stunnel before a fake server: {identity, stls => 1, lines => [...]}. Returns
# "127.0.0.1:PORT"; it ends with the test.
sub tls_server {
    my ($server, %option) = @_;
    my $path = "$temporary/" . ++$count;
    my $port = free_port();
    _write("$path.conf", join "\n", 'foreground = yes', 'pid =', 'debug = 3', "output = $path.out", '[pop3]',
        "accept = 127.0.0.1:$port", 'connect = ' . $server->address, "cert = $option{identity}{both}",
        $option{stls} ? 'protocol = pop3' : (), @{ $option{lines} || [] }, '');
    open my $null, '>', '/dev/null' or die "/dev/null: $!\n";
    spawn(command => [ 'stunnel', "$path.conf" ], fds => { 1 => $null, 2 => $null });
    my $is_up = wait_until(sub {
        return IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $port) ? 1 : 0;
    }, 10);
    die "stunnel does not start: " . do { local (@ARGV, $/) = "$path.out"; <> } . "\n" if !$is_up;
    return "127.0.0.1:$port";
}

package Pop3Test::Tls::Client;

use strict;
use warnings;
use parent -norequire, 'Pop3Test::Client';
use Pop3Test::Loop qw(wait_until);

# With STLS, s_client reads the greeting itself.
sub greeting {
    my ($self) = @_;
    return $self->{stls} ? '+OK' : $self->SUPER::greeting;
}

# Kills the client: the connection closes without close_notify.
sub crash {
    my ($self) = @_;
    kill 'KILL', $self->{s_client}->pid;
    $self->{s_client}->wait;
    return $self;
}

# What s_client said: certificates, session, errors.
sub told {
    my ($self) = @_;
    $self->{s_client}->wait(10);
    open my $file, '<', $self->{told} or die "$self->{told}: $!\n";
    local $/;
    return <$file>;
}

1;
