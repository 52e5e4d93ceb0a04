# SPDX-License-Identifier: BSD-2-Clause
#
# TLS as the operator of a server sees it: what -T says about certificates, what changes at HUP, the
# warning before a certificate expires, session tickets across workers, reloads and upgrades, and the
# certificate shown to servers.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Pop3Test;
use Pop3Test::Tls;

plan(skip_all => 'TLS is not built in') if !features()->{tls};
plan(skip_all => 'openssl is missing')  if !has_openssl();

expect_log('certificate-expires');

my $ca     = authority();
my $first  = identity(name => 'first.example.org', san => ['DNS:first.example.org']);
my $second = identity(name => 'second.example.org', san => [ 'DNS:second.example.org', 'DNS:*.wild.example.org' ]);

# Makes a handshake and a login; returns what s_client says about them.
sub handshake {
    my ($master, @arguments) = @_;
    my $client = tls_client($master->port, commands => 1, args => [ '-ign_eof', @arguments ]);
    wait_until(sub { $client->{all} =~ /^\+OK/m || $client->{eof} });
    $client->send("USER joe\nPASS x\nQUIT\n");
    $client->rest;
    return $client->{all};
}

sub shown { return handshake(@_) =~ /^subject=.*?CN ?= ?(\S+)/m ? $1 : 'nobody' }

sub certificate_file { my ($identity) = @_; return write_file(directory() . '/pem', read_file($identity->{both})) }

scene 'certificates are replaced at HUP' => sub {
    my $file   = certificate_file($first);
    my $master = master(server => server()->address, tls => 'implicit', tls_certificate => $file);
    my $held   = tls_client($master->port);
    $held->login('held');
    is shown($master), 'first.example.org', 'the first';
    write_file($file, read_file($second->{both}));
    is shown($master), 'first.example.org', 'nothing is read before it is told to';
    is $master->reload->{event}, 'reloaded', 'HUP';
    is shown($master), 'second.example.org', 'the second';
    like $held->ask('NOOP'), qr/^\+OK/, 'the session from before goes on';
    like $held->quit, qr/^\+OK/, 'to its end';
    expect_log(qw(configuration reload-failed));
    write_file($file, read_file($first->{certificate}) . read_file($second->{key}));
    is $master->reload->{event}, 'reload-failed', 'a key that is not the certificate\'s';
    is shown($master), 'second.example.org', 'the second stays';
};

scene 'a directory of certificates is read again at HUP' => sub {
    my $directory = directory();
    write_file("$directory/a.pem", read_file($first->{both}));
    my $master = master(server => server()->address, tls => 'implicit', tls_certificate => $directory);
    is shown($master, qw(-servername a.wild.example.org)), 'first.example.org', 'one for everybody';
    write_file("$directory/b.crt", read_file($second->{certificate}));
    write_file("$directory/b.key", read_file($second->{key}));
    is $master->reload->{event}, 'reloaded', 'HUP';
    is shown($master, '-servername', $_->[0]), $_->[1], $_->[0]
        for [ 'A.wild.example.org', 'second.example.org' ], [ 'second.example.org', 'second.example.org' ],
        [ 'a.b.wild.example.org', 'first.example.org' ], [ 'first.example.org', 'first.example.org' ];
};

scene 'a certificate that is about to expire' => sub {
    my %days   = (13 => '1[23]', 1 => '[01]', -1 => '-1', 16 => undef);
    my $server = server();
    for my $days (sort keys %days) {
        my $ours = identity(name => 'x', san => ['DNS:x'], days => $days);
        for my $side ([ tls => 'implicit', tls_certificate => $ours->{both} ],
            [ server_tls => 'implicit', server_tls_verify => 'no', server_tls_certificate => $ours->{both} ]) {
            my $master = master(server => $server->address, @$side);
            my @warned = map { $_->{f} } $master->events('certificate-expires');
            is scalar @warned, defined $days{$days} ? 1 : 0, "$side->[0], $days days";
            like "$_->{file} $_->{days}", qr/^\Q$ours->{both}\E $days{$days}$/, 'file and days' for @warned;
            is $master->reload->{event}, 'reloaded', 'HUP';
            is scalar $master->events('certificate-expires'), 2 * @warned, 'said again';
        }
    }
};

scene 'a ticket is valid in every worker, after a reload and after an upgrade' => sub {
    my $pidfile = directory() . '/pid';
    my $session = directory() . '/session';
    my $master  = master(server => server()->address, tls => 'implicit', tls_certificate => $first->{both},
        workers => 3, max_sessions => 1, pidfile => $pidfile);
    for my $version (qw(-tls1_3 -tls1_2)) {
        like handshake($master, $version, '-sess_out', $session), qr/^New, /m, "$version: a whole handshake";
        my @again = ($version, '-sess_in', $session, '-sess_out', $session);
        like handshake($master, @again), qr/^Reused, /m, 'resumed by another worker';
        is $master->reload->{event}, 'reloaded', 'HUP';
        like handshake($master, @again), qr/^Reused, /m, 'resumed after it';
        my $old = $master->pid;
        $master->after(sub { $master->signal('USR2') }, 'master-draining');
        $master->follow((log_lines('started'))[-1]{pid});
        ok wait_until(sub { !is_alive($old) }), 'USR2';
        like handshake($master, @again), qr/^Reused, /m, 'resumed by the next binary';
    }
};

scene 'a ticket does not bring back a cipher that is no longer allowed' => sub {
    my ($old, $new) = ('ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384');
    my $session = directory() . '/session';
    my $master  = master(server => server()->address, tls => 'implicit', tls_certificate => $first->{both},
        tls_ciphers => "$old:$new");
    my @again   = (qw(-tls1_2 -sess_in), $session, '-sess_out', $session);
    like handshake($master, qw(-tls1_2 -sess_out), $session), qr/^New, TLSv1.2, Cipher is $old$/m, 'the old one';
    $master->change(timeout => 700);
    is $master->reload->{event}, 'reloaded', 'HUP, for something else';
    like handshake($master, @again), qr/^Reused, TLSv1.2, Cipher is $old$/m, 'resumed';
    $master->change(tls_ciphers => $new);
    is $master->reload->{event}, 'reloaded', 'HUP, for other ciphers';
    like handshake($master, @again), qr/^New, TLSv1.2, Cipher is $new$/m, 'a whole handshake, with a new one';
    like handshake($master, @again), qr/^Reused, TLSv1.2, Cipher is $new$/m, 'which is resumed in turn';
    $master->change(tls_min_version => '1.3');
    is $master->reload->{event}, 'reloaded', 'HUP, for another version';
    like handshake($master, '-sess_in', $session), qr/^New, TLSv1.3, /m, 'a whole handshake again';
};

scene 'an OCSP response next to the certificate' => sub {
    my $signer = authority();
    my $known  = identity(name => 'ocsp.example.org', san => ['DNS:ocsp.example.org'], ca => $signer);
    my $directory = directory();
    write_file("$directory/x.pem", read_file($known->{both}));
    my $master = master(server => server()->address, tls => 'implicit', tls_certificate => $directory);
    like handshake($master, '-status'), qr/^OCSP response: no response sent/m, 'none yet';
    write_file("$directory/x.ocsp", read_file(revocation($known, $signer)));
    is $master->reload->{event}, 'reloaded', 'HUP';
    like handshake($master, '-status'), qr/OCSP Response Status: successful/, 'stapled';
    unlike handshake($master), qr/OCSP Response Status/, 'to who asks for it';
    # The client checks its signature; we check only until when it is valid.
    write_file("$directory/x.ocsp", read_file(revocation($known, $signer)) =~ s/(.*\x18\x0f)\d{14}Z/${1}20200101000000Z/sr);
    is $master->reload->{event}, 'reloaded', 'HUP';
    like handshake($master, '-status'), qr/^OCSP response: no response sent/m, 'not one that is too old';
};

scene 'an OCSP response of another certificate' => sub {
    my ($signer, $stranger) = (authority(), authority('Stranger'));
    my $known = identity(name => 'ocsp.example.org', ca => $signer);
    my $other = identity(name => 'ocsp.example.org', ca => $signer);
    my $chain = write_file(directory() . '/chain', read_file($known->{both}) . read_file($signer->{certificate}));
    my $try   = sub {
        my ($file, $staple) = @_;
        return master(server => 'localhost', tls => 'stls', tls_certificate => $file, tls_ocsp => $staple,
            -start => 0, -extra => ['-T'])->run_to_end;
    };
    for my $file ($known->{both}, $chain) {
        is exit_code($try->($file, revocation($known, $signer))->{status}), 0, 'its own';
        my $result = $try->($file, revocation($other, $signer));
        is exit_code($result->{status}), 78, 'of another number';
        like $result->{err}, qr/\A\S+:\d+: .*: this OCSP response is not for the certificate \Q$file\E\n\z/, 'one line';
    }
    is exit_code($try->($chain, revocation($known, $stranger))->{status}), 78, 'of another issuer';
    my $directory = directory();
    write_file("$directory/x.pem", read_file($known->{both}));
    my $master = master(server => server()->address, tls => 'implicit', tls_certificate => $directory);
    expect_log(qw(configuration reload-failed));
    write_file("$directory/x.ocsp", read_file(revocation($other, $signer)));
    is $master->reload->{event}, 'reload-failed', 'HUP';
};

scene 'an old certificate next to its successor' => sub {
    my %days = (a => 40, b => 80, c => -1);
    my %of   = map { $_ => identity(name => $_, san => ['DNS:pop.example.org'], days => $days{$_}) } keys %days;
    my $more = identity(name => 'more', san => [ 'DNS:pop.example.org', 'DNS:more.example.org' ], days => 85);
    my $rsa  = identity(name => 'rsa', san => ['DNS:pop.example.org'], days => 20, key => 'rsa');
    my $try  = sub {
        my $master = master(server => server()->address, tls => 'implicit',
            tls_certificate => join(', ', map { $_->{both} } @_));
        return join ' ', map { shown($master, @$_) } ['-noservername'], [qw(-servername pop.example.org)];
    };
    is $try->(@of{ split //, $_ }), 'b b', "$_: the one that expires last" for qw(abc bca cab acb ba);
    is $try->($of{b}, $more), 'more more', 'one with more names';
    is $try->($more, $of{b}), 'more more', 'in either order';
    is $try->($more, $of{a}, $second), 'more more', 'beside others';
    is $try->($first, $of{a}, $of{b}), 'first.example.org b', 'the first is for everybody else';
    my $master = master(server => server()->address, tls => 'implicit',
        tls_certificate => join(', ', map { $_->{both} } $of{b}, $rsa, $of{a}));
    my @ask = qw(-tls1_2 -servername pop.example.org -cipher);
    is shown($master, @ask, 'ECDHE-RSA-AES128-GCM-SHA256'),   'rsa', 'each kind of key has its own';
    is shown($master, @ask, 'ECDHE-ECDSA-AES128-GCM-SHA256'), 'b',   'and its best';
};

scene 'a dropped connection is not a failure of TLS' => sub {
    my $master = master(server => server()->address, tls => 'implicit', tls_certificate => $first->{both});
    my $client = tls_client($master->port);
    $client->login('joe');
    my $session = (log_lines('login'))[-1]{f}{session};
    my $lines   = sub { grep { ($_->{f}{session} // '') eq $session } log_lines($_[0]) };
    kill KILL => $client->{s_client}->pid;
    ok wait_until(sub { $lines->('session') }), 'without close_notify';
    is scalar $lines->('tls-failed'), 0, 'and no line about it';
};

scene 'a client certificate logs in with AUTH EXTERNAL' => sub {
    my $joe    = identity(name => 'Joe', san => ['email:joe@example.org'], ca => $ca);
    my $server = server(on => { AUTH => "+OK in\r\n" }, anything_goes => 1);
    my $acp    = acp('echo "+OK $PROXY_SERVERLOGIN $PROXY_CERTIFICATE"');
    my $master = master(server => $server->address, tls => 'implicit', tls_certificate => $first->{both},
        tls_client_ca => $ca->{certificate}, acp => $acp);
    my $client = tls_client($master->port, args => [ '-cert', $joe->{certificate}, '-key', $joe->{key} ]);
    $client->greeting;
    like + ($client->fetch('CAPA'))[1], qr/^SASL .*\bEXTERNAL\b/m, 'announced to who has one';
    is $client->ask('AUTH EXTERNAL ='), '+OK joe@example.org joe@example.org', 'the acp is told';
    is $client->line, '+OK in', 'and it is a login';
    $client->quit;
    is + ($server->lines)[0], 'AUTH EXTERNAL am9lQGV4YW1wbGUub3Jn', 'for the certificate\'s name';
    is + (log_lines('login'))[-1]{f}{user}, 'joe@example.org', 'as the log has it';
    $client = tls_client($master->port);
    $client->greeting;
    unlike + ($client->fetch('CAPA'))[1], qr/EXTERNAL/, 'not announced without a certificate';
    like $client->ask('AUTH EXTERNAL ='), qr/^-ERR/, 'and refused';
    $client->quit;
};

# Logs in with EXTERNAL and this certificate; returns what the acp is told, or the refusal.
sub external {
    my ($master, $identity, $authzid) = @_;
    my $client = tls_client($master->port, args => [ '-cert', $identity->{certificate}, '-key', $identity->{key} ]);
    $client->greeting;
    my $reply = $client->ask('AUTH EXTERNAL ' . (defined $authzid ? b64($authzid) : '='));
    if ($reply =~ /^\+OK/) {
        is $client->line, '+OK in', 'a login';
        $client->quit;
    }
    return $reply;
}

scene 'a part of the certificate\'s name is not a user' => sub {
    my $home      = server(on => { AUTH => "+OK in\r\n" }, anything_goes => 1);
    my $elsewhere = server(on => { AUTH => "+OK in\r\n" }, anything_goes => 1);
    my $there     = $elsewhere->address;
    my $acp       = acp('echo "+OK $PROXY_SERVERLOGIN, $PROXY_USERNAME"');
    my %names     = map { $_ => identity(name => $_, ca => $ca) } 'root', 'bob:root', "root\@$there", "bob:root\@$there";
    my $mail      = identity(name => 'Root', san => ["email:root\@$there"], ca => $ca);
    for my $kind ([ sessions_per_worker => 1 ], [ workers => 1, max_workers => 1, sessions_per_worker => 10 ]) {
        my $master = master(server => $home->address, tls => 'implicit', tls_certificate => $first->{both},
            tls_client_ca => $ca->{certificate}, acp => $acp, select_server => 'yes', @$kind);
        for my $name (sort keys %names) {
            is external($master, $names{$name}), "+OK $name, ", "$name: as it is";
            is external($master, $names{$name}, $name), "+OK $name, ", 'and when the client says so';
            is + ($home->lines)[-2], 'AUTH EXTERNAL ' . b64($name), 'for the server as well';
        }
        is external($master, $mail), "+OK root\@$there, ", 'a mail address';
        is scalar $elsewhere->connections, 0, 'no other server';
        like external($master, $names{'bob:root'}, 'root'), qr/^-ERR \[AUTH\]/, 'a part of it';
        like external($master, $mail, "root\@$there\@$there\@$there"), qr/^-ERR \[AUTH\]/, 'more than it';
    }
    my $master = master(server => $home->address, tls => 'implicit', tls_certificate => $first->{both},
        tls_client_ca => $ca->{certificate}, acp => $acp, select_server => 'yes');
    is external($master, $names{root}, "bob:root\@$there"), '+OK root, bob', 'the name, with a proxy user and a server';
    is + ($elsewhere->lines)[0], 'AUTH EXTERNAL ' . b64('root'), 'which is told the name';
};

scene 'malformed names in a certificate' => sub {
    my $server = server(on => { AUTH => "+OK in\r\n" }, anything_goes => 1);
    my $acp    = acp(q{echo "+OK <$PROXY_CERTIFICATE>" | LC_ALL=C tr '\200-\377' '#'});
    my $master = master(server => $server->address, tls => 'implicit', tls_certificate => $first->{both},
        tls_client_ca => $ca->{certificate}, acp => $acp);
    my %bad    = (
        'a line break' => [ '',       name => 'bob\nPROXY_USERNAME=admin' ],
        'a DEL'        => [ '',       name => "bob\x7f" ],
        'a tab'        => [ 'Joe',    name => 'Joe', san => ['email:j\toe@example.org'] ],
    );
    for my $name (sort keys %bad) {
        my ($expected, @identity) = @{ $bad{$name} };
        my $joe    = identity(@identity, ca => $ca);
        my $client = tls_client($master->port, args => [ '-cert', $joe->{certificate}, '-key', $joe->{key} ]);
        $client->greeting;
        if ($expected ne 'Joe') {
            unlike + ($client->fetch('CAPA'))[1], qr/EXTERNAL/, "$name: nobody's name";
            like $client->ask('AUTH EXTERNAL ='), qr/^-ERR/, 'refused';
        }
        $client->ask('USER joe');
        is $client->ask('PASS x'), "+OK <$expected>", "$name: what the acp is told";
        like $client->line, qr/^\+OK/, 'a login';
        $client->quit;
    }
};

scene 'an 8-bit name in a certificate' => sub {
    my $server = server(on => { AUTH => "+OK in\r\n" }, anything_goes => 1);
    my $master = master(server => $server->address, tls => 'implicit', tls_certificate => $first->{both},
        tls_client_ca => $ca->{certificate});
    my $joe    = identity(name => "J\xf6rg", ca => $ca);
    my $client = tls_client($master->port, args => [ '-cert', $joe->{certificate}, '-key', $joe->{key} ]);
    $client->greeting;
    is $client->ask('AUTH EXTERNAL ='), '+OK in', 'is the user of EXTERNAL';
    $client->quit;
    is + ($server->lines)[0], 'AUTH EXTERNAL ' . b64("J\xc3\xb6rg"), 'the server is told it in UTF-8';
};

scene 'our own certificate, for servers that ask for one' => sub {
    plan(skip_all => 'stunnel is missing') if !has_stunnel();
    expect_log('tls-failed');
    expect_reason(qw(server-tls-failed server-lost));
    my $theirs  = identity(name => 'localhost', san => ['IP:127.0.0.1'], ca => $ca);
    my $ours    = identity(name => 'gateway', ca => $ca);
    my $rogue   = identity(name => 'gateway');
    my $server  = server();
    my $address = tls_server($server, identity => $theirs, lines => [ 'verifyChain = yes', "CAfile = $ca->{certificate}" ]);
    my $file    = certificate_file($ours);
    my $master  = master(server => $address, server_tls => 'implicit', server_tls_ca => $ca->{certificate},
        server_tls_certificate => $file);
    like $master->client->login->quit, qr/^\+OK/, 'taken';
    write_file($file, read_file($rogue->{both}));
    is $master->reload->{event}, 'reloaded', 'HUP';
    my $connections = $server->connections;
    like $master->client->try_login, qr{^-ERR \[SYS/TEMP\]}, 'another is read, and not taken';
    $master->change(server_tls_certificate => $ours->{certificate}, server_tls_key => $ours->{key});
    is $master->reload->{event}, 'reloaded', 'HUP';
    like $master->client->login->quit, qr/^\+OK/, 'certificate and key in two files';
    $master->change(server_tls_certificate => undef, server_tls_key => undef);
    is $master->reload->{event}, 'reloaded', 'HUP';
    my $client = $master->client;
    like $client->try_login, qr{^-ERR \[SYS/TEMP\]}, 'none: refused';
    $client->closes;
    my @why = grep { ($_->{f}{session} // '') eq $master->session_of($client)->{session} } log_lines('tls-failed');
    is scalar @why, 1, 'one line says why';
    like $why[0]{raw}, qr/alert/, 'with the server\'s words';
    is scalar $server->connections, $connections + 1, 'nothing reached the server';
};

# The start of the file name by which OpenSSL finds an authority in a directory.
sub hash_of {
    my ($identity) = @_;
    return run([ qw(openssl x509 -noout -subject_hash -in), $identity->{certificate} ])->{out} =~ s/\s+\z//r;
}

scene 'authorities in a directory' => sub {
    my $none  = qr/OpenSSL finds no certificate in this directory; run openssl rehash on it/;
    my $other = hash_of($first);
    my %held  = (
        'nothing'               => [ $none ],
        'a file of no hash'     => [ $none, 'ca.pem' => $ca->{certificate} ],
        'another\'s hash'       => [ $none, "$other.0" => $ca->{certificate} ],
        'no certificate'        => [ $none, hash_of($ca) . '.0' => $ca->{key} ],
        'a revocation list'     => [ $none, hash_of($ca) . '.r0' => $ca->{certificate} ],
        'one, and other things' => [ undef, hash_of($ca) . '.0' => $ca->{certificate}, "$other.0" => $ca->{key}, x => $ca->{key} ],
        'no first of a hash'    => [ $none, hash_of($ca) . '.1' => $ca->{certificate} ],
    );
    my $try = sub {
        my ($directory, @more) = @_;
        return master(server => 'localhost', server_tls => 'stls', server_tls_ca => $directory, -start => 0,
            -extra => ['-T'], @more)->run_to_end;
    };
    for my $name (sort keys %held) {
        my ($mistake, %file) = @{ $held{$name} };
        my $directory = directory();
        symlink $file{$_}, "$directory/$_" or die "$directory/$_: $!\n" for keys %file;
        my $result = $try->($directory);
        is exit_code($result->{status}), defined $mistake ? 78 : 0, "$name: exit code";
        like $result->{err}, defined $mistake ? qr/\A\S+:\d+: server_tls_ca = \Q$directory\E: $mistake\n\z/ : qr/\A\z/,
            'and one line';
        is exit_code($try->($directory, server_tls_verify => 'no')->{status}), 0, 'not needed without verification';
    }
    my $locked = directory(0700);
    symlink $ca->{certificate}, "$locked/" . hash_of($ca) . '.0' or die "$locked: $!\n";
    my $result = $try->($locked);
    is exit_code($result->{status}), 0, 'readable for who starts it';
    is $result->{err}, '', 'which is enough';
    chmod 0, $locked or die "$locked: $!\n";
    $result = $try->($locked, is_root() ? (-before => sub { $( = 12345; $) = '12345 12345'; $< = $> = 12346 }) : ());
    chmod 0700, $locked or die "$locked: $!\n";
    is exit_code($result->{status}), 78, 'for nobody';
    like $result->{err}, qr/\A\S+:\d+: server_tls_ca = \Q$locked\E: Permission denied\n\z/, 'one line';
};

scene 'the authority of the server is found in a directory' => sub {
    plan(skip_all => 'stunnel is missing') if !has_stunnel();
    expect_log(qw(configuration reload-failed tls-failed));
    expect_reason('server-tls-failed');
    my $directory = directory();
    my $link      = "$directory/" . hash_of($ca) . '.0';
    symlink $ca->{certificate}, $link or die "$link: $!\n";
    my $theirs = identity(name => 'localhost', san => ['IP:127.0.0.1'], ca => $ca);
    my $master = master(server => tls_server(server(), identity => $theirs), server_tls => 'implicit', server_tls_ca => $directory);
    like $master->client->login->quit, qr/^\+OK/, 'trusted';
    unlink $link;
    is $master->reload->{event}, 'reload-failed', 'an empty one is refused at HUP';
    symlink $first->{certificate}, "$directory/" . hash_of($first) . '.0' or die "$directory: $!\n";
    is $master->reload->{event}, 'reloaded', 'one with another authority is not';
    like $master->client->try_login, qr{^-ERR \[SYS/TEMP\]}, 'the server is not trusted any more';
};

scene 'what -T says' => sub {
    my $locked  = directory() . '/locked';
    run([ qw(openssl genpkey -algorithm ed25519 -aes128 -pass pass:x -out), $locked ]);
    my %mistake = (
        'a foreign key'         => [ qr/not the key of the certificate/, $second->{key} ],
        'no key'                => [ qr/private key in this file; set \w*tls_key = FILE/, $first->{certificate} ],
        'a missing key'         => [ qr{/nowhere: No such file},         '/nowhere' ],
        'a key with passphrase' => [ qr/without a passphrase/,           $locked ],
    );
    for my $side ('', 'server_') {
        my @tls = $side ? (server_tls => 'stls', server_tls_verify => 'no') : (tls => 'stls');
        my $try = sub {
            return master(server => 'localhost', @tls, "${side}tls_certificate" => $first->{certificate},
                "${side}tls_key" => $_[0], -start => 0, -extra => ['-T'])->run_to_end;
        };
        for my $name (sort keys %mistake) {
            my ($pattern, $path) = @{ $mistake{$name} };
            my $result = $try->($path);
            is exit_code($result->{status}), 78, "${side}tls, $name: exit code";
            like $result->{err}, qr/:\d+: ${side}tls_certificate: .*$pattern/, 'file, line, key and reason';
            is scalar(() = $result->{err} =~ /\n/g), 1, 'one line';
        }
        is exit_code($try->($first->{key})->{status}), 0, "${side}tls: good";
    }
    my %value = (tls_ciphers => ['FOO', 'FOO'], tls_client_ca => [ $first->{key}, "\Q$first->{key}\E" ]);
    for my $key (sort keys %value) {
        my ($value, $shown) = @{ $value{$key} };
        my $result = master(server => 'localhost', tls => 'stls', tls_certificate => $first->{both}, $key => $value,
            -start => 0, -extra => ['-T'])->run_to_end;
        my ($path, $line) = $result->{err} =~ /\A(\S+):(\d+): $key = $shown: .+\n\z/;
        like + (split /\n/, read_file($path))[ $line - 1 ], qr/^\s*$key\b/, "$key: its own line" if ok defined $path, $key;
    }
    for my $days (-1, 3, 30) {
        my $ours = identity(name => 'x', days => $days);
        for my $side ([ tls => 'stls', tls_certificate => $ours->{both} ],
            [ server_tls => 'stls', server_tls_verify => 'no', server_tls_certificate => $ours->{both} ]) {
            my $result = master(server => 'localhost', @$side, -start => 0, -extra => ['-T'])->run_to_end;
            is exit_code($result->{status}), 0, "$side->[0], $days days: good";
            my $why = $days < 0 ? qr/has expired/ : qr/expires in [23] days/;
            like $result->{err}, $days > 14 ? qr/\A\z/ : qr/\Awarning: \S+:\d+: .*certificate = \Q$ours->{both}\E: .*$why\n\z/,
                'and a warning, where there is need';
        }
    }
    my %needs = (
        'server_tls_certificate needs server_tls = '     => { server_tls_certificate => $first->{both} },
        'server_tls_key needs server_tls_certificate = ' => { server_tls => 'stls', server_tls_key => $first->{key} },
    );
    for my $words (sort keys %needs) {
        my $result = master(server => 'localhost', %{ $needs{$words} }, -start => 0, -extra => ['-T'])->run_to_end;
        like $result->{err}, qr/:\d+: \Q$words\E/, $words;
    }
};

done;
