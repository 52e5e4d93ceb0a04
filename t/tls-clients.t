# SPDX-License-Identifier: BSD-2-Clause
#
# Real mail programs log in with TLS and SASL, and a real Dovecot, reached with TLS, the PROXY
# protocol and XCLIENT, is told who the client is: curl, fetchmail, mpop and Python's poplib, each if
# it is installed.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Dovecot;
use Pop3Test::Tls;

plan(skip_all => 'TLS is not built in')      if !features()->{tls};
plan(skip_all => 'openssl is missing')       if !has_openssl();
plan(skip_all => 'Dovecot is not installed') if !Pop3Test::Dovecot::program();
plan(skip_all => 'Dovecot wants a user with a name') if !getpwuid $>;

expect_log('tls-failed');

my $message    = "Subject: one\nFrom: a\@example.org\n\n" . "0123456789abcdef\n" x 20_000;
my $ca         = authority();
my $identity   = identity(name => 'localhost', san => [ 'DNS:localhost', 'IP:127.0.0.1' ], ca => $ca);
my $proxy_port = free_port();
my $dovecot    = Pop3Test::Dovecot->start(directory(0755), {
    identity => $identity,
    more     => <<"EOT",
auth_mechanisms = plain login
login_trusted_networks = 127.0.0.0/8
haproxy_trusted_networks = 127.0.0.0/8
login_log_format_elements = user=<%u> mech=%m rip=%r lip=%l rport=%{rport} %c session=<%{session}>
service pop3-login {
  inet_listener pop3_haproxy {
    port = $proxy_port
    haproxy = yes
  }
}
EOT
}, $message);
my ($user, $password) = ($Pop3Test::Dovecot::USER, $Pop3Test::Dovecot::PASSWORD);
secret($password);

my @unset   = (unset => [qw(POP3_PROXY pop3_proxy ALL_PROXY all_proxy)]);
my @servers = (
    [ 'clear', '127.0.0.1:' . $dovecot->port ],
    [ 'STLS', '--server-tls', 'stls', '--server-tls-ca', $ca->{certificate}, '127.0.0.1:' . $dovecot->port ],
    [ 'TLS', '--server-tls', 'implicit', '--server-tls-ca', $ca->{certificate}, 'localhost:' . $dovecot->tls_port ],
    [ 'AUTH PLAIN', '--server-auth', 'plain', '127.0.0.1:' . $dovecot->port ],
);

sub serving {
    my ($tls, @server) = @_;
    return proxy('--tls', $tls, '--tls-certificate', $identity->{both}, @server)->serve;
}

# Every way to the server, and both ways of the client.
sub each_way {
    my ($name, $fetch) = @_;
    for my $server (@servers) {
        my ($label, @server) = @$server;
        for my $tls (qw(required implicit)) {
            is $fetch->($tls, serving($tls, @server)), $message, "$name: $tls, server $label";
        }
    }
    return;
}

sub output {
    my ($command, %option) = @_;
    my $result = run($command, limit => 60, @unset, %option);
    die "$command->[0]: exit " . exit_code($result->{status}) . ' ' . show($result->{err}) . "\n" if $result->{status};
    return $result->{out} =~ s/\r\n/\n/gr;
}

scene 'curl' => sub {
    installed('curl') or plan(skip_all => 'curl is not installed');
    for my $mechanism ('PLAIN', 'LOGIN', '') {
        each_way("curl $mechanism", sub {
            my ($tls, $port) = @_;
            my $scheme = $tls eq 'implicit' ? 'pop3s' : 'pop3';
            return output([ qw(curl -s -S --max-time 60 --ssl-reqd --cacert), $ca->{certificate},
                length $mechanism ? ('--login-options', "AUTH=$mechanism") : (),
                '--user', "$user:$password", "$scheme://localhost:$port/1" ]);
        });
    }
    my $port = serving('implicit', @{ $servers[0] }[1]);
    my $result = run([ qw(curl -s -S --max-time 60), '--user', "$user:$password", "pop3s://localhost:$port/1" ], @unset);
    is exit_code($result->{status}), 60, 'a stranger\'s certificate is refused by the client';
};

scene 'fetchmail' => sub {
    installed('fetchmail') or plan(skip_all => 'fetchmail is not installed');
    each_way('fetchmail', sub {
        my ($tls, $port) = @_;
        my $dir = directory(0755);
        my $mda = executable("#!/bin/sh\nexec cat >$dir/message\n");
        my $how = $tls eq 'implicit' ? 'ssl' : "sslproto 'TLS1+'";
        my $rc  = write_file("$dir/rc", "poll localhost protocol POP3 service $port auth password user \"$user\" there password"
            . " \"$password\" is \"nobody\" here fetchall keep no rewrite $how sslcertck sslcertfile $ca->{certificate}"
            . " mda \"$mda\"\n", 0600);
        output([ 'fetchmail', '--nodetach', '--invisible', '-f', $rc, '--pidfile', "$dir/pid" ],
            env => { FETCHMAILHOME => $dir, HOME => $dir });
        return read_file("$dir/message");
    });
};

scene 'mpop' => sub {
    installed('mpop') or plan(skip_all => 'mpop is not installed');
    each_way('mpop', sub {
        my ($tls, $port) = @_;
        my $dir = directory(0755);
        mkdir "$dir/$_" for 'm', 'm/cur', 'm/new', 'm/tmp';
        my $rc = write_file("$dir/rc", join("\n", 'account default', 'host localhost', "port $port", 'tls on',
            'tls_starttls ' . ($tls eq 'implicit' ? 'off' : 'on'), "tls_trust_file $ca->{certificate}", 'auth on',
            "user $user", "password $password", "delivery maildir $dir/m", 'keep on', 'received_header off',
            "uidls_file $dir/uidls", ''), 0600);
        output([ 'mpop', '-q', '-C', $rc ], env => { HOME => $dir });
        return join '', map { read_file($_) } glob "$dir/m/new/*";
    });
};

scene 'poplib' => sub {
    my $python = installed('python3');
    my $has = $python && run([ $python, '-c', 'import poplib, ssl' ])->{status};
    plan(skip_all => 'Python with poplib and ssl is not installed') if !defined $has || $has;
    my $script = <<'EOT';
import poplib, ssl, sys
tls, port, ca, user, password = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if tls == 'implicit':
    pop = poplib.POP3_SSL('localhost', int(port), context=context, timeout=30)
else:
    pop = poplib.POP3('localhost', int(port), timeout=30)
    assert 'STLS' in pop.capa()
    pop.stls(context)
    assert 'STLS' not in pop.capa()
pop.user(user)
pop.pass_(password)
sys.stdout.buffer.write(b'\n'.join(pop.retr(1)[1]) + b'\n')
pop.quit()
EOT
    each_way('poplib', sub { output([ $python, '-c', $script, @_, $ca->{certificate}, $user, $password ]) });
};

# What Dovecot logs about the last login.
sub last_login {
    my ($before) = @_;
    wait_until(sub { (() = $dovecot->log_text =~ /Login: user=/g) > $before }) or die "no login in Dovecot's log\n";
    return ($dovecot->log_text =~ /(Login: user=.*)/g)[-1];
}

my $header = "PROXY TCP4 192.0.2.7 198.51.100.9 40000 110\r\n";

scene 'Dovecot is told who the client is' => sub {
    my @balanced = qw(--proxy-protocol yes --proxy-protocol-from 127.0.0.1);
    my %way = (
        'PROXY v1' => [ qw(--send-proxy-protocol v1), "127.0.0.1:$proxy_port" ],
        'PROXY v2' => [ qw(--send-proxy-protocol v2), "127.0.0.1:$proxy_port" ],
        'XCLIENT'  => [ '--send-xclient', '127.0.0.1:' . $dovecot->port ],
        'XCLIENT after STLS' =>
            [ '--send-xclient', @{ $servers[1] }[ 1 .. 4 ], '127.0.0.1:' . $dovecot->port ],
    );
    for my $name (sort keys %way) {
        my $before = () = $dovecot->log_text =~ /Login: user=/g;
        my $client = proxy(@balanced, @{ $way{$name} })->client;
        $client->send($header);
        like $client->login($user, $password)->quit, qr/^\+OK/, "$name: a session";
        my $login = last_login($before);
        like $login, qr/rip=192\.0\.2\.7/, 'the address';
        like $login, qr/rport=40000/, 'the port';
        my $session = $client->session_line->{session};
        like $login, qr/session=<\Q$session\E>/, 'the session' if $name =~ /XCLIENT/;
    }
};

scene 'sessions of clients are resumed by any worker' => sub {
    needs_one_session('tells workers apart by their sessions');
    my $file   = directory() . '/session';
    my $master = master(max_sessions => 1, server => 'localhost:' . $dovecot->tls_port, server_tls => 'implicit',
        server_tls_ca => $ca->{certificate}, tls => 'implicit', tls_certificate => $identity->{both});
    for my $n (0 .. 2) {
        my $client = tls_client($master->port, commands => 1,
            args => [ '-ign_eof', '-sess_out', $file, $n ? ('-sess_in', $file) : () ]);
        wait_until(sub { $client->{all} =~ /^\+OK/m });
        $client->send("USER $user\nPASS $password\nQUIT\n");
        $client->rest;
        like $client->{all}, $n ? qr/^Reused/m : qr/^New/m, $n ? 'resumed by the client' : 'a whole handshake';
    }
    my %by = map { $_->{pid} => 1 } grep { $_->{f}{instance} eq 'main' } log_lines('session');
    is scalar keys %by, 3, 'each by another worker';
};

$dovecot->stop;
done;
