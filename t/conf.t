# SPDX-License-Identifier: BSD-2-Clause
#
# The configuration file: -T finds every kind of mistake and names its line and the mend, all mistakes
# in one run and in the order of the file. It accepts what is right in every way it may be written.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::UNIX;
use Pop3Test;
use Errno qw(EAFNOSUPPORT);
use Pop3Test::Tables qw(rows);

my $directory = directory();
my $file      = "$directory/proxy.conf";

# A syslog daemon, or each -T would warn that there is none.
my $syslog = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => directory(0777) . '/syslog') or die "syslog: $!\n";
chmod 0777, $syslog->hostpath;
local $ENV{POP3_PROXY_SYSLOG} = $syslog->hostpath;

# What -T says about a text: the lines on standard error without "FILE:".
sub check {
    my ($text, @options) = @_;
    write_file($file, $text);
    return check_file($file, @options);
}

sub check_file {
    my ($path, @options) = @_;
    my $result = run([ program(), '-T', '-f', $path, @options ], limit => 20);
    my @lines = map { s/^(warning: |)\Q$path\E:/$1/r } split /\n/, $result->{err};
    $result->{code}     = exit_code($result->{status});
    $result->{mistakes} = [ grep { !/^warning: / } @lines ];
    $result->{warnings} = [ map { s/^warning: //r } grep { /^warning: / } @lines ];
    return $result;
}

sub is_refused {
    my ($name, $text, @wanted) = @_;
    my $result = check($text);
    is_deeply $result->{mistakes}, \@wanted, $name;
    is $result->{code}, 78, "$name: exit status";
    is $result->{out}, '', "$name: nothing on standard output";
    return;
}

sub is_taken {
    my ($name, $text, $count) = @_;
    my $result = check($text);
    is_deeply $result->{mistakes}, [], $name;
    is $result->{code}, 0, "$name: exit status";
    is $result->{out}, sprintf("$file: ok (%d instance%s)\n", $count, $count == 1 ? '' : 's'), "$name: says so";
    return;
}

# The lines in question, from line 4 on, in a correct instance.
sub inside { return join '', "[instance a]\nlisten = 127.0.0.1:1110\nserver = 127.0.0.1\n", map { "$_\n" } @_ }

# The lines in question, from line 2 on, before a correct instance.
sub above {
    return join '', "[proxy]\n", (map { "$_\n" } @_), "[instance a]\nlisten = 127.0.0.1:1110\nserver = 127.0.0.1\n";
}

scene 'correct files' => sub {
    is_taken('the least', inside(), 1);
    is_taken('no line break at the end', inside() =~ s/\n\z//r, 1);
    is_taken('CRLF line ends', inside('quiet = yes') =~ s/\n/\r\n/gr, 1);
    is_taken('blanks everywhere', "\n\n  [ instance \t a ]  \n\tlisten=127.0.0.1:1110\nserver   =   127.0.0.1  \n\n", 1);
    is_taken('names in any case', "[PROXY]\nWorkers = 3\n[Instance A]\nLISTEN = 127.0.0.1:1110\nServer = 127.0.0.1\n", 1);
    is_taken('comments', <<'END', 2);
# one
; another \
[proxy]  ; after a header
workers = 3 # after a value
max_workers = 4	; after a tab
[instance a]# close
listen = "127.0.0.1:1110" ; after a quote
server = '127.0.0.1'# close
select_server = yes
delimiters = "@#;"
acp_prefix = "" ; empty
[instance b]
listen = [::1]:1111
server = 127.0.0.1:1112
END
    my @flags = qw(yes no true false on off YES No 1 0);
    is_taken('flags', join('', map { inside("quiet = $flags[$_]") =~ s/\ba\b/f$_/r =~ s/1110/1110 + $_/er } 0 .. $#flags), 10);
    is_taken('a server is not needed where the client chooses',
        "[instance a]\nlisten = 127.0.0.1:1110\nselect_server = yes\n", 1);
    is_taken('defaults in [proxy], below', "[instance a]\nlisten = 127.0.0.1:1110\n[proxy]\nserver = 127.0.0.1\n", 1);
    is_taken('one port, two addresses', inside() . inside() =~ s/\ba\b/b/r =~ s/127.0.0.1:1110/127.0.0.2:1110/r, 2);
    is_taken('ports of the kernel\'s choice', inside() =~ s/:1110/:0/r . inside() =~ s/\ba\b/b/r =~ s/:1110/:0/r, 2);
    is_taken('a UNIX socket', "[instance a]\nlisten = $directory/socket\nserver = 127.0.0.1\n", 1);
    is_taken('a name of 32 characters', inside() =~ s/\ba\b/'a.b_c-d9' x 4/er, 1);
    is_taken('a line of 1000 octets', inside('select_server = yes', 'allow_servers = ' . 'aa,' x 327 . 'aaa'), 1);
    is_taken('workers alone raises max_workers', inside('workers = 2000'), 1);
};

sub group { return join '', inside() =~ s/server = .*/server = group:stores/r, "[group stores]\n", map { "$_\n" } @_ }

scene 'groups of servers' => sub {
    plan(skip_all => 'built without xxHash') if !features('groups');
    my $servers = 'servers = 127.0.0.1';
    is_taken('a group', group('servers = 127.0.0.1*0, 127.0.0.2:1110, [::1]:995*10000', 'hash = none', 'check = no'), 1);
    is_taken('before the instance', join('', (split /(?=\[group)/, group($servers))[ 1, 0 ]), 1);
    is_refused('no servers', group('hash = none'), '4: [group stores]: servers is missing; add servers = HOST, HOST');
    is_refused('a server that is none', group('servers = 127.0.0.1, a b'),
        '5: servers = 127.0.0.1, a b: a b: must be HOST, HOST:PORT or [IPV6]:PORT, and may end in *WEIGHT');
    is_refused("the weight $_", group("servers = 127.0.0.1*$_"),
        "5: servers = 127.0.0.1*$_: 127.0.0.1*$_: a weight is a whole number from 0 to 10000") for '', -1, '1.5', '01', 10001, 'x';
    is_refused('a server twice', group('servers = A.example.net, b, a.example.net.'),
        '5: servers = A.example.net, b, a.example.net.: a.example.net. is there twice; keep one');
    my $many = join ',', 1 .. 129;
    is_refused('too many servers', group("servers = $many"),
        '5: servers = ' . substr($many, 0, 80) . ': a group has at most 128 servers');
    is_refused('a group that is not there', group($servers) =~ s/group:stores/group:stars/r,
        '3: server = group:stars: there is no such group; add [group stars] with servers = HOST, HOST');
    is_refused('a group twice', group($servers) . "[group stores]\n",
        '6: [group stores]: this section already began in line 4; put its keys there');
    is_refused('without a name', "[group]\n$servers\n" . inside(), '1: [group]: a group needs a name: [group NAME]');
    is_refused('keys that are wrong or in the wrong place',
        inside('slow_strat = 3', 'check_interval = 3') . "[group a]\n$servers\nlisten = 127.0.0.1:1\nserver = x\nchekc = no\nfall = 0\n",
        '4: slow_strat = 3: unknown key; pop3.proxy.conf(5) lists them',
        '5: check_interval = 3: is a setting of a group; put it under [group NAME]',
        '8: listen = 127.0.0.1:1: is not a setting of a group; put it under [instance NAME]',
        '9: server = x: unknown key; did you mean servers?', '10: chekc = no: unknown key; did you mean check?',
        '11: fall = 0: must be a whole number from 1 to 100 (failures)');
    is_refused('a section near', inside() . "[gruop x]\n", '4: [gruop x]: unknown section; did you mean [group x]?');
    is_refused('a server that is the proxy itself', group('servers = 127.0.0.2, 127.0.0.1:1110'),
        "5: servers = 127.0.0.1:1110: is this proxy itself: instance a listens there ($file:2: listen = 127.0.0.1:1110); set another server");
};

scene 'instances that reach a group in different ways' => sub {
    plan(skip_all => 'built without xxHash') if !features('groups');
    plan(skip_all => 'built without TLS') if !features()->{tls};
    my $with = sub {
        my ($a, $b) = map { join '', map { "$_\n" } 'server = group:stores', 'server_tls = stls', 'server_tls_verify = no', @$_ } @_;
        my $text = "[group stores]\nservers = 127.0.0.1\ncheck = greeting\n[instance a]\nlisten = 127.0.0.1:1110\n${a}[instance b]\nlisten = 127.0.0.1:1111\n$b";
        return check($text)->{warnings};
    };
    my $warning = '2: servers = 127.0.0.1: instances reach these servers with different settings '
        . '(server_tls*, source_addresses, send_proxy_protocol); each is checked, and all must be good';
    for ([ 'source_addresses = 127.0.0.1', 'source_addresses = 127.0.0.2' ], [ 'server_tls_min_version = 1.2', 'server_tls_min_version = 1.3' ],
        [ 'server_tls_ciphers = HIGH', 'server_tls_ciphers = HIGH:!kRSA' ], [ 'send_proxy_protocol = v1', 'send_proxy_protocol = v2' ]) {
        my ($a, $b) = @$_;
        is_deeply $with->([$a], [$a]), [], "both with $a";
        is_deeply $with->([$a], [$b]), [$warning], "$a and $b";
        is_deeply $with->([], [$a]), [$warning], "one with $a" if $a !~ /1\.2/;
    }
};

scene 'the port of a server in a group that names none' => sub {
    plan(skip_all => 'built without xxHash') if !features('groups');
    plan(skip_all => 'built without TLS') if !features()->{tls};
    my @tls  = ('server_tls = implicit', 'server_tls_verify = no');
    my $with = sub {
        my ($listen, $use, @keys) = @_;
        return join "\n", '[instance a]', "listen = 127.0.0.1:$listen", 'server = 127.0.0.2:1', '[instance b]', 'listen = 127.0.0.3:1',
            $use, @keys, '[group stores]', 'servers = 127.0.0.1', '';
    };
    my $table = write_file(directory(0755) . '/table', '');
    my $loop  = sub { "servers = 127.0.0.1: is this proxy itself: instance a listens there ($file:2: listen = 127.0.0.1:$_[0]); set another server" };
    is_refused('995 with implicit TLS',   $with->(995, 'server = group:stores', @tls), '10: ' . $loop->(995));
    is_refused('110 without it',          $with->(110, 'server = group:stores'),       '8: ' . $loop->(110));
    is_refused('where a table names it',  $with->(995, "route = file:$table", @tls),   '10: ' . $loop->(995));
    is_taken('110 with implicit TLS is no loop', $with->(110, 'server = group:stores', @tls), 2);
    is_taken('995 without it is no loop',        $with->(995, 'server = group:stores'),       2);
};

scene 'values' => sub {
    is_refused("workers = $_", inside("workers = $_"),
        "4: workers = $_: must be a whole number from 1 to 32768 (processes)")
        for '0', '-1', '10x', '010', '0x10', '1.5', '32769', '99999999999999999999', '1 2', 'many';
    is_refused('a flag', inside('quiet = maybe'), '4: quiet = maybe: must be yes or no');
    is_refused('a relative path', inside('acp = bin/acp'), '4: acp = bin/acp: must be an absolute path');
    is_refused('a server', inside() =~ s/server = .*/server = a:b/r,
        '3: server = a:b: must be HOST, HOST:PORT, [IPV6]:PORT, group:NAME, or - for none');
    is_refused('a listening address', inside() =~ s/listen = .*/listen = localhost:110/r,
        '2: listen = localhost:110: must be IPV4:PORT, [IPV6]:PORT, *:PORT or an absolute path');
    is_refused('log', above('log = file'), '2: log = file: must be syslog, stderr or an absolute path');
    is_refused('a prefix', inside('acp_prefix = 9X'), '4: acp_prefix = 9X: must be letters, digits and _, and not begin with a digit');
    is_refused('delimiters', inside('delimiters = :'),
        '4: delimiters = :: must be punctuation characters that no server name has, such as @%');
    is_refused("the list $_", inside('select_server = yes', "allow_servers = $_"),
        "5: allow_servers = $_: must be HOST, HOST:PORT or HOST:* (? and * are wildcards in HOST), separated by commas")
        for 'a,,b', 'a:1?', 'a b', '[a]', '[fe80::1%nowhere0]';
    is_refused('a user', above('user = :nogroup'), '2: user = :nogroup: must be USER or USER:GROUP');
};

scene 'rights of a UNIX socket for another kind of address' => sub {
    my $why  = 'has no effect, because listen is not the path of a UNIX socket; remove it';
    my $path = "[instance b]\nlisten = " . directory(0777) . "/b\nserver = 127.0.0.1\n";
    my @keys = ('listen_mode = 660', 'listen_owner = nobody', 'listen_group = 0');
    is_deeply check(inside(@keys) . $path)->{warnings}, [ map { 4 + $_ . ": $keys[$_]: $why" } 0 .. 2 ], 'in the instance';
    is_deeply check(above($keys[0]))->{warnings}, ["2: $keys[0]: $why"], 'above all, and no instance has a UNIX socket';
    is_deeply check(above($keys[0]) . $path)->{warnings}, [], 'above all, for another instance';
    is_deeply check($path . join '', map { "$_\n" } @keys)->{warnings}, [], 'for a UNIX socket';
};

scene 'users' => sub {
    is_taken($_, above("user = $_"), 1) for 'nobody', '65533:65532', 'nobody:65532', '65534:65534';
    is_refused('an unknown user', above('user = no-such-user'),
        '2: user = no-such-user: there is no such user; create it, or name another');
    is_refused('an unknown group', above('user = nobody:no-such-group'),
        '2: user = nobody:no-such-group: there is no such group; create it, or name another');
    is_refused('a number without an account', above('user = 64123'),
        '2: user = 64123: a number without an account needs a group: USER:GROUP');
    is_refused('the number that means none', above('user = 4294967295:1'),
        '2: user = 4294967295:1: there is no such user; create it, or name another');
    is_refused("root as $_", above("user = $_"), "2: user = $_: workers must not run as root; name another user")
        for 'root', '0', '0:65534', 'root:65534';
};

scene 'names of keys and sections' => sub {
    is_refused("$_->[0]", inside("$_->[0] = 3"), "4: $_->[0] = 3: unknown key; did you mean $_->[1]?")
        for [qw(worker workers)], [qw(max-workers max_workers)], [qw(timout timeout)], [qw(allow_server allow_servers)],
        [qw(login_failure login_failures)];
    is_refused('bind', "[instance a]\nbind = 127.0.0.1:1110\nserver = 127.0.0.1\n",
        '2: bind = 127.0.0.1:1110: unknown key; did you mean listen?');
    is_refused('nothing like it', inside('colour = blue'), '4: colour = blue: unknown key; pop3.proxy.conf(5) lists them');
    is_refused('a very long one', inside('x' x 300 . ' = 1'),
        '4: ' . 'x' x 80 . ' = 1: unknown key; pop3.proxy.conf(5) lists them');
    is_refused('unknown sections', inside() . "[tls]\nfoo = 1\n[proxi]\nworkers = x\n[instanc b]\n[]\nworkers = 3\n",
        '4: [tls]: unknown section; use [proxy], [instance NAME] or [group NAME]',
        '6: [proxi]: unknown section; did you mean [proxy]?',
        '8: [instanc b]: unknown section; did you mean [instance b]?',
        '9: []: unknown section; use [proxy], [instance NAME] or [group NAME]');
    is_refused('a section with a name that it may not have', inside() . "[proxy x]\n",
        '4: [proxy x]: unknown section; did you mean [proxy]?');
    is_refused('names of instances', join('', map { inside() =~ s/\ba\b/$_->[0]/r =~ s/1110/$_->[1]/r }
                [ 'a b', 1 ], [ 'a/b', 2 ], [ "\xe4", 3 ], [ 'x' x 33, 4 ], [ '', 5 ]),
        (map { "$_->[0]: [instance $_->[1]]: a name has 1 to 32 characters of A-Z a-z 0-9 _ . -" }
                [ 1, 'a b' ], [ 4, 'a/b' ], [ 7, "\xe4" ], [ 10, 'x' x 33 ]),
        '13: [instance]: an instance needs a name: [instance NAME]');
    is_refused('a key of [proxy] in an instance', inside('user = nobody', 'grace = 3'),
        '4: user = nobody: is a setting of the whole server; put it under [proxy]',
        '5: grace = 3: is a setting of the whole server; put it under [proxy]');
    is_refused('a key above all sections', "quiet = yes\n" . inside(),
        '1: quiet = yes: comes before the first section; put [proxy] above it');
};

scene 'what is given twice' => sub {
    is_refused('a key', inside('quiet = yes', 'timeout = 700', 'Quiet = yes'),
        '6: quiet = yes: already set in line 4; keep one of them');
    is_refused('a key, three times, once wrong', inside('workers = x', 'workers = 2', 'workers = 3'),
        '4: workers = x: must be a whole number from 1 to 32768 (processes)',
        '5: workers = 2: already set in line 4; keep one of them',
        '6: workers = 3: already set in line 4; keep one of them');
    is_refused('a section', above() . "[Proxy]\nquiet = yes\nworkers = 0\n",
        '5: [Proxy]: this section already began in line 1; put its keys there',
        '7: workers = 0: must be a whole number from 1 to 32768 (processes)');
    is_refused('an instance, in another case', inside() . "[Instance  A]\nserver = 127.0.0.2\n",
        '4: [Instance A]: this section already began in line 1; put its keys there',
        '5: server = 127.0.0.2: already set in line 3; keep one of them');
    for (
        [ '127.0.0.1:1110', '127.0.0.1:1110' ],
        [ '127.0.0.1:1110', '*:1110' ],
        [ '*:1110',         '127.0.0.1:1110' ],
        [ '[::]:1110',      '127.0.0.1:1110' ],
        [ '*:1110',         '[::]:1110' ],
        [ '[::1]:1110',     '[0::1]:1110' ],
        [ '/run/socket',    '/run/socket' ],
        )
    {
        my ($first, $second) = @$_;
        is_refused("$first and $second",
            inside() =~ s/listen = .*/listen = $first/r . inside() =~ s/\ba\b/b/r =~ s/listen = .*/listen = $second/r,
            "5: listen = $second: already used by instance a ($file:2: listen = $first); give each an address and port of its own");
    }
    is_refused('a name for the metrics', above('metrics_listen = localhost:9110'),
        '2: metrics_listen = localhost:9110: must be IPV4:PORT, [IPV6]:PORT, *:PORT or the path of a UNIX socket');
    my $rights = 'has no effect, because metrics_listen is not the path of a UNIX socket; remove it';
    is_deeply check(above('metrics_mode = 660', 'metrics_group = 0'))->{warnings}, [ "2: metrics_mode = 660: $rights", "3: metrics_group = 0: $rights" ], 'rights of no socket';
    is_refused('a mode for the metrics', above('metrics_mode = rw'), '2: metrics_mode = rw: must be three octal digits, such as 660 or 0660');
    is_refused('an owner that does not exist', above('metrics_owner = no-such-user'),
        '2: metrics_owner = no-such-user: there is no such user; create it, or name another');
    is_refused('a status page without an address', above('status_page = totals'),
        '2: status_page: needs metrics_listen, the address where it is served');
    is_refused('the address of the metrics', above('metrics_listen = 127.0.0.1:1110'),
        "2: metrics_listen = 127.0.0.1:1110: already used by instance a ($file:4); give it an address of its own")
        if features()->{metrics};
    is_refused('the path of the control socket', above("control = $directory/c", "metrics_listen = $directory/c"),
        "3: metrics_listen = $directory/c: already used by control ($file:2); choose another path")
        if features()->{metrics};
    my $long = "$directory/" . 'x' x (103 - length $directory);   # 104 octets
    is_refused('a path that is too long', above("control = $long"), "2: control = $long: the path is too long for a socket");
};

scene 'what is missing' => sub {
    is_refused('everything', '',
        " there is no instance; add [instance NAME] with listen = ADDRESS:PORT and server = HOST");
    is_refused('an instance', "[proxy]\nquiet = yes\n",
        " there is no instance; add [instance NAME] with listen = ADDRESS:PORT and server = HOST");
    is_refused('listen', "\n[instance a]\nserver = 127.0.0.1\n", '2: [instance a]: listen is missing; add listen = ADDRESS:PORT');
    is_refused('server', "[instance a]\nlisten = 127.0.0.1:1110\n",
        '1: no server to connect to: set server = HOST[:PORT], let the client choose with select_server = yes (-e), or ask tables with route');
    is_refused('server, as -', "[instance a]\nlisten = 127.0.0.1:1110\nserver = -\n",
        '3: server = -: no server to connect to: set server = HOST[:PORT], let the client choose with '
            . 'select_server = yes (-e), or ask tables with route');
    is_refused('no server, but a table that is wrong', "[instance a]\nlisten = 127.0.0.1:1110\nroute = auth_http://127.0.0.1/\n",
        '3: route = auth_http://127.0.0.1/: unknown kind of table; expected one of file:, cdb:, regexp:, socketmap:, dovecot:, http:, https:, unix:');
    is_refused('select_server', inside('allow_servers = a, b'),
        '4: allow_servers = a, b: needs select_server = yes (-e): without it the client chooses no server');
    is_refused('room in the pool', inside('workers = 20', 'max_workers = 10'),
        '4: workers = 20: must be at most max_workers, which is 10');
    is_refused('an inherited mistake is told once', above('workers = 20', 'max_workers = 10') . inside() =~ s/\ba\b/b/r =~ s/1110/1111/r,
        '2: workers = 20: must be at most max_workers, which is 10');
    is_refused('the =', inside('workers 32', 'workers: 32', 'quiet'),
        '4: workers 32: the = is missing: workers = 32',
        '5: workers 32: the = is missing: workers = 32',
        '5: workers = : already set in line 4; keep one of them',
        '6: quiet: the = is missing: quiet = VALUE');
    is_refused('the key', inside('= 32'), '4: = 32: the key before the = is missing');
    is_refused('the value', inside('quiet ='), '4: quiet = : the value is missing; remove the line to get the default');
    is_refused('the value, for a comment', inside('delimiters = #', 'quiet = ; yes'),
        '4: delimiters = #: the value is missing: the rest is a comment; quote it if it is the value',
        '5: quiet = ; yes: the value is missing: the rest is a comment; quote it if it is the value');
    is_refused('the ]', inside() . "[instance b ; here\nlisten = 127.0.0.1:1111\nserver = 127.0.0.1\n",
        '4: [instance b: the ] is missing: [instance b]');
    is_refused('everything but text', "hello\nworld = 1\n",
        '1: hello: not a [section], key = value or comment; a comment begins with ; or #',
        '2: world = 1: comes before the first section; put [proxy] above it');
};

scene 'what iniparser would cut, join or ignore' => sub {
    is_refused('a # in a value', inside('delimiters = @#%'),
        '4: delimiters = @#%: the # would begin a comment: quote the value, "@#%", or put a blank before the #');
    is_refused('a ; in a value', inside('workers = 32;'),
        '4: workers = 32;: the ; would begin a comment: quote the value, "32;", or put a blank before the ;');
    is_refused('a # after a quote', inside(q{delimiters = %"#}),
        q{4: delimiters = %"#: the # would begin a comment: quote the value, '%"#', or put a blank before the #});
    is_refused('a # after both quotes', inside(q{delimiters = %"'#}),
        q{4: delimiters = %"'#: the # would begin a comment; put a blank before it if it is meant to});
    is_refused('an open quote', inside('delimiters = "@'), '4: delimiters = "@: the closing quote is missing');
    is_refused('text after a quote', inside('delimiters = "@"%', 'acp_prefix = "" X'),
        '4: delimiters = "@"%: only a comment may follow the closing quote',
        '5: acp_prefix = "" X: only a comment may follow the closing quote');
    is_refused('a quote that opens late', inside('acp = /bin/a "b ; c"', 'client_log = /x"y'),
        '4: acp = /bin/a "b ; c": the comment begins inside quotes; quote the whole value',
        '5: client_log = /x"y: a closing quote is missing');
    is_refused('a backslash between quotes', inside('delimiters = "\\@"'),
        '4: delimiters = "\\@": a backslash is not allowed between quotes');
    is_refused('a backslash at the end', inside('acp = /bin/\\', 'true'),
        '4: acp = /bin/\\: a line must not end in a backslash; write it as one line',
        '5: true: not a [section], key = value or comment; a comment begins with ; or #');
    is_refused('text after a header', "[proxy] workers = 3\n" . inside(),
        '1: [proxy] workers = 3: only a comment may follow the ]');
    is_refused('a long line', inside('select_server = yes', 'allow_servers = ' . 'a' x 985),
        '5: allow_servers = ' . 'a' x 24 . '...: the line is longer than 1000 octets; put a long list of servers into '
            . 'allow_servers_file');
    is_refused('a very long line', inside('x' x 300_000, 'workers = 0'),
        '4: ' . 'x' x 40 . '...: the line is longer than 1000 octets; put a long list of servers into allow_servers_file',
        '5: workers = 0: must be a whole number from 1 to 32768 (processes)');
    is_refused('a control character', inside("acp_prefix = A\eB"),
        '4: acp_prefix = A?B: the line has a control character; remove it');
    is_refused('a byte order mark', "\xef\xbb\xbf" . inside(), '1: the file begins with a byte order mark; save it without one');
};

scene 'no file' => sub {
    my $nothing = "$directory/nothing";
    is_deeply check_file($nothing)->{mistakes}, [' cannot read it: No such file or directory'], 'none';
    is_deeply check_file($directory)->{mistakes}, [' is a directory; name a file in it'], 'a directory';
    is_deeply check_file('/dev/null')->{mistakes}, [' is not a regular file'], 'a device';
    system('mkfifo', "$directory/fifo") == 0 or die "mkfifo: $?\n";
    is_deeply check_file("$directory/fifo")->{mistakes}, [' is not a regular file'], 'a FIFO';
    is check_file($_)->{code}, 78, "$_: exit status" for $nothing, $directory, "$directory/fifo";
    is_deeply check("\0\0\0")->{mistakes}, [' is not a text file: it has a NUL octet'], 'not a text';
    is_deeply check("\n" x (1024 * 1024 + 1))->{mistakes},
        [' is larger than 1 MiB; put a long list of servers into allow_servers_file'], 'a large file';
    is_deeply check("\n" x 20_001)->{mistakes},
        [ '20001: the file has more than 20000 lines; put a long list of servers into allow_servers_file' ], 'many lines';
SKIP: {
        skip 'root reads everything', 1 if is_root();
        write_file($file, inside());
        chmod 0, $file;
        is_deeply check_file($file)->{mistakes}, [' cannot read it: Permission denied'], 'no permission';
        unlink $file;
    }
    my $long = "$directory/" . join '/', ('d' x 200) x 4;
    my $path = $directory;
    mkdir $path .= '/' . 'd' x 200 for 1 .. 4;
    write_file("$long/conf", inside('workers = 0'));
    like check_file("$long/conf")->{mistakes}[0],
        qr{^d+/conf:4: workers = 0: must be a whole number from 1 to 32768 \(processes\)$}, 'a long path leaves room for the mend';
};

scene 'the file of servers' => sub {
    my $list = "$directory/servers";
    my @text = inside('select_server = yes', "allow_servers_file = $list");
    is_refused('is not there', "@text", "5: allow_servers_file = $list: No such file or directory");
    system('mkfifo', "$directory/pipe") == 0 or die "mkfifo: $?\n";
    is_refused('is a FIFO', "@text" =~ s/\Q$list\E/$directory\/pipe/r,
        "5: allow_servers_file = $directory/pipe: is not a regular file");
    write_file($list, "# ours\na.example\n\n  b.example:* # any port\n*.c.example\n");
    is_taken('is there', "@text", 1);
    write_file($list, "a.example\na b\n" . '#' x 5000 . "\nc.example\nd\te\n");
    is_refused('has mistakes', "@text", map { "$list:$_->[0]: $_->[1]: must be HOST, HOST:PORT or HOST:* (? and * are wildcards in HOST)" }
            [ 2, 'a b' ], [ 5, 'd?e' ]);
};

scene 'all mistakes at once, in the order of the file' => sub {
    is_refused('nine of them', <<'END', map { s/FILE/$file/r } <<'END' =~ /(.+)/g);
[instance b]
listen = *:1110
server = 127.0.0.1
workers = 20
max_workers = 10
[proxy]
grase = 7
grace = 7x
user = no-such-user
[instance a]
listen = 127.0.0.1:1110
user = nobody
quiet = maybe
allow_servers = a,b
END
4: workers = 20: must be at most max_workers, which is 10
7: grase = 7: unknown key; did you mean grace?
8: grace = 7x: must be a whole number from 0 to 86400 (seconds)
9: user = no-such-user: there is no such user; create it, or name another
10: no server to connect to: set server = HOST[:PORT], let the client choose with select_server = yes (-e), or ask tables with route
11: listen = 127.0.0.1:1110: already used by instance b (FILE:2: listen = *:1110); give each an address and port of its own
12: user = nobody: is a setting of the whole server; put it under [proxy]
13: quiet = maybe: must be yes or no
14: allow_servers = a,b: needs select_server = yes (-e): without it the client chooses no server
END
};

scene 'a key that needs another' => sub {
    my $no = sub { "to leave it unused, set $_[0] = no" };
    is_refused($_->[0], inside("$_->[0] = $_->[1]"), "4: $_->[0] needs $_->[2]")
        for [ 'tls_certificate',     '/x',         'tls = stls|required|implicit; ' . $no->('tls') ],
        [ 'tls_client_ca',           '/x',         'tls = stls|required|implicit; ' . $no->('tls') ],
        [ 'server_tls_verify',       'no',         'server_tls = stls|implicit; ' . $no->('server_tls') ],
        [ 'proxy_protocol_from',     '10.0.0.0/8', 'proxy_protocol = yes|v1|v2; ' . $no->('proxy_protocol') ],
        [ 'server_tls_key',          '/x',         'server_tls_certificate = FILE' ];
    is_taken('left unused', inside('tls = no', 'tls_certificate = /x'), 1);
};

scene 'capabilities' => sub {
    my @ours = map { $_->[1] } grep { $_->[2] ne 'SERVERS' } rows('pop3/capability.def', 'CAPABILITY');
    is scalar @ours, 8, 'those of the table';
    is_taken('any of them', inside('capabilities = ' . join ', ', @ours), 1);
    is_refused($_, inside("capabilities = TOP, $_"),
        "4: capabilities = TOP, $_: must be some of " . join(", ", @ours) . ", separated by commas") for qw(APOP EXPIRE TOPS);
};

scene 'chroot needs the right to change the root directory' => sub {
    my $may_not = sub {
        my (@as) = @_;
        write_file($file, inside('chroot = /'));
        chmod 0755, $directory;
        my $result = run([ @as, program(), '-T', '-f', $file ], limit => 20);
        is exit_code($result->{status}), 78, 'exit status';
        is $result->{err}, "$file:4: chroot = /: needs a start by root, with CAP_SYS_CHROOT; start it so, or leave chroot out\n", 'message';
        $result = run([ @as, program(), '-f', $file ], limit => 5);
        is exit_code($result->{status}), 78, 'no start';
    };
    return $may_not->() if !is_root();
    is_taken('root', inside('chroot = /'), 1);
    $may_not->(qw(setpriv --reuid=65534 --regid=65534 --clear-groups));
    $may_not->(qw(setpriv --bounding-set -sys_chroot --inh-caps -sys_chroot));
};

scene 'the directory of chroot' => sub {
    plan(skip_all => 'not run by root') if !is_root();
    my $missing = "$directory/missing";
    is_refused('missing', inside("chroot = $missing"), "4: chroot = $missing: No such file or directory; create the directory");
    is_refused('a file', inside("chroot = $file"), "4: chroot = $file: must be a directory");
};

scene 'the right to change the user' => sub {
    my $wrapper = without_setuid() or plan(skip_all => 'not run by root, or no setpriv');
    write_file($file, inside());
    my $result = run([ @$wrapper, program(), '-T', '-f', $file ], limit => 20);
    is exit_code($result->{status}), 78, 'exit status';
    like $result->{err}, qr/\A\Q$file\E: a worker's rights: cannot become uid 65535, gid 65534: Operation not permitted; permit it \(CAP_SETUID, CAP_SETGID\), or set another user\n\z/, 'message';
};

scene 'a refused value is not reported as missing too' => sub {
    is_refused('listen', inside() =~ s/listen = .*/$_->[0]/r, $_->[1])
        for [ 'listen = here', '2: listen = here: must be IPV4:PORT, [IPV6]:PORT, *:PORT or an absolute path' ],
        [ 'listen = "127.0.0.1:1110', '2: listen = "127.0.0.1:1110: the closing quote is missing' ],
        [ 'listne = 127.0.0.1:1110', '2: listne = 127.0.0.1:1110: unknown key; did you mean listen?' ],
        [ 'listen 127.0.0.1:1110', '2: listen 127.0.0.1:1110: the = is missing: listen = 127.0.0.1:1110' ];
    is_refused('server', inside() =~ s/server = .*/server = a b/r,
        '3: server = a b: must be HOST, HOST:PORT, [IPV6]:PORT, group:NAME, or - for none');
    is_refused('select_server', inside('select_server = maybe', 'allow_servers = a'), '4: select_server = maybe: must be yes or no');
    is_refused('max_workers', inside('workers = 2000', 'max_workers = 3000x'),
        '5: max_workers = 3000x: must be a whole number from 1 to 32768 (processes)');
    is_refused('a misspelt key beside the right one', inside('quite = yes', 'quiet = yes'), '4: quite = yes: unknown key; did you mean quiet?');
};

scene 'warnings' => sub {
    my $logs = directory(0777);
    my $acp  = acp('exit 0');
    is_deeply check(inside("acp = $acp", "client_log = $logs"))->{warnings}, [], 'none';
    chmod 0644, $acp;
    chmod 0755, $logs;
    my @warnings = @{ check(inside("acp = $acp", "client_log = $logs"))->{warnings} };
    is shift @warnings, "4: acp = $acp: the workers' user may not execute it", 'an acp without permission';
    is "@warnings", is_root() ? "5: client_log = $logs: the workers' user may not write there" : '', 'a directory without permission';
    is_deeply check(inside("acp = $directory", 'client_log = /nowhere/logs'))->{warnings},
        [ "4: acp = $directory: is not a program", '5: client_log = /nowhere/logs: No such file or directory' ], 'what is not there';
    is_deeply check(inside('timeout = 599'))->{warnings}, ['4: timeout = 599: RFC 1939 requires at least 600 seconds'], 'a timeout';
    is_deeply check(above("pidfile = $directory"))->{warnings}, ["2: pidfile = $directory: is a directory; name a file in it"],
        'a directory where a file is to be';
    is_deeply check(above('pidfile = /run/nowhere/pid', 'control = /var/run/nowhere/c'))->{warnings},
        [ map { "$_: its directory does not exist; create it" } '2: pidfile = /run/nowhere/pid', '3: control = /var/run/nowhere/c' ],
        'files of the master, where a service manager may make the directory';
    my $result = check(inside() =~ s/server = .*/server = no-such-host.invalid/r);
    like $result->{warnings}[0], qr/^3: server = no-such-host\.invalid: \S/, 'a name that does not resolve';
    is $result->{code}, 0, 'is only a warning';
};

scene 'what would keep a server from starting' => sub {
    my $none = 'Cannot assign requested address: no interface of this machine has the address; choose another one';
    is_refused("listen = $_", inside() =~ s/listen = .*/listen = $_/r, "2: listen = $_: $none") for '192.0.2.7:1110', '[2001:db8::7]:1110';
    is_refused('metrics_listen', above('metrics_listen = 192.0.2.7:1111'), "2: metrics_listen = 192.0.2.7:1111: $none")
        if features()->{metrics};
    my $result = run([ program(), '-T', '-b', '192.0.2.7:0', '127.0.0.1' ], limit => 10);
    is $result->{err}, "-b: listen = 192.0.2.7:0: $none\n", 'without a file';
    is exit_code($result->{status}), 78, 'without a file: exit status';
    is_refused('a socket without a directory', inside() =~ s{listen = .*}{listen = /nowhere/socket}r,
        '2: listen = /nowhere/socket: its directory does not exist; create it');
    is_refused('directories', above('pidfile = /nowhere/pid', 'log = /nowhere/log', 'control = /nowhere/c'),
        map { "$_: its directory does not exist; create it" } '2: pidfile = /nowhere/pid', '3: log = /nowhere/log', '4: control = /nowhere/c');
    is_refused('a directory for the log', above("log = $directory"), "2: log = $directory: is a directory; name a file in it");
};

sub warns { my ($name, $text, @wanted) = @_; is_taken($name, $text, 1); return is_deeply check($text)->{warnings}, \@wanted, "$name: warnings" }

scene 'what another program has, and the server itself' => sub {
    my $unless = 'unless it is this server';
    my $taken  = server()->address;
    my ($path, $other, $stale) = map { "$directory/$_" } 'taken', 'other', 'stale';
    my $socket = IO::Socket::UNIX->new(Local => $path, Listen => 1) or die;
    IO::Socket::UNIX->new(Local => $stale, Listen => 1) or die;
    my $port = inside() =~ s/listen = .*/listen = $taken/r;
    warns('a port', $port, "2: listen = $taken: a program listens there already; stop it or choose another port, $unless");
    my $metrics = above("metrics_listen = $taken");
    warns('the port of the metrics', $metrics, "2: metrics_listen = $taken: a program listens there already; stop it or choose another port, $unless")
        if features()->{metrics};
    warns('a UNIX socket', inside() =~ s/listen = .*/listen = $path/r, "2: listen = $path: a program listens there already; stop it or choose another path, $unless");
    $socket->blocking(0);
    ok !$socket->accept, 'which gets no connection';
    warns('the control socket', above("control = $path"), "2: control = $path: a program answers there already; stop it or choose another path, $unless");
    warns('the socket of the metrics', above("metrics_listen = $path"), "2: metrics_listen = $path: a program answers there already; stop it or choose another path, $unless")
        if features()->{metrics};
    warns('sockets that nobody listens on', above("control = $stale") =~ s/listen = .*/listen = $stale/r);
    ok -S $stale, 'stay';
    write_file($other, '');
    is_refused('a file in place of the control socket', above("control = $_"), "2: control = $_: the file is not a socket; remove it, or choose another path")
        for $other, $directory;
    ok !-s $other && !-e "$other.new", 'stays, too';

    my $pid = "$directory/pid";
    my $master = master(server => $taken, control => "$directory/control", pidfile => $pid);
    my $ours   = sub { [ map { s/.*?: //r =~ s/ =.*//r } @{ check_file($master->{path})->{warnings} } ] };
    is_deeply $ours->(), [], 'the server that runs is no other program';
    my $text = do { local (@ARGV, $/) = $master->{path}; <> } =~ s/^pidfile.*\n//mr =~ s/^listen = .*/"listen = " . $master->address/mer;
    write_file($file, $text);
    is scalar @{ check_file($file)->{warnings} }, 2, 'without its pidfile it may be one';
    { local $ENV{MAINPID} = $master->pid; is_deeply check_file($file)->{warnings}, [], 'unless systemd tells the process' }
    { local $ENV{MAINPID} = $$; is scalar @{ check_file($file)->{warnings} }, 2, 'which must have our name' }
    is $master->stop, 0, 'the server is undisturbed';
    is_deeply $ours->(), [], 'and leaves nothing';
};

scene 'a feature that is not built in' => sub {
    plan(skip_all => 'metrics are built in') if features()->{metrics};
    is_refused('metrics_listen', above('metrics_listen = 127.0.0.1:1111'),
        '2: metrics_listen = 127.0.0.1:1111: this pop3.proxy is built without libmicrohttpd; remove the key: the control socket has the metrics, too');
};

scene 'a server that is the proxy itself' => sub {
    my $is_loop = sub {
        my ($listen, $server) = @_;
        return is_refused("$listen and $server", inside() =~ s/listen = .*/listen = $listen/r =~ s/server = .*/server = $server/r,
            "3: server = $server: is this proxy itself: instance a listens there ($file:2: listen = $listen); set another server");
    };
    $is_loop->('127.0.0.1:1110', $_) for '127.0.0.1:1110', 'localhost:1110', '[::ffff:127.0.0.1]:1110', '0.0.0.0:1110';
    $is_loop->('*:1110', $_) for '127.0.0.1:1110', '127.9.9.9:1110', 'LOCALHOST.:1110';
    $is_loop->('[::]:1110', $_) for '[::1]:1110', '127.0.0.1:1110';
    is_refused('another instance', inside() . "[instance b]\nlisten = 127.0.0.1:1111\nserver = 127.0.0.1:1110\n",
        "6: server = 127.0.0.1:1110: is this proxy itself: instance a listens there ($file:2: listen = 127.0.0.1:1110); set another server");
    is_taken('another address', inside() =~ s/server = .*/server = 127.0.0.2:1110/r, 1);
};

scene 'a machine without IPv6' => sub {
    my ($library) = grep { -f } map { "$_/fault.so" } program() =~ s{/src/[^/]*\z}{/t/fault}r;
    plan(skip_all => 'make check builds the library of faults') if !$library;
    plan(skip_all => 'a sanitizer wants to be loaded first') if is_sanitized();
    my %env = (LD_PRELOAD => $library, FAULT_CALL => 'socket', FAULT_NUMBER => 0, FAULT_ERRNO => EAFNOSUPPORT + 0);
    for ([ '[::]:1110', 'write *:1110' ], [ '[::1]:1110', 'choose an IPv4 address' ]) {
        my ($listen, $mend) = @$_;
        write_file($file, inside() =~ s/listen = .*/listen = $listen/r);
        my $result = run([ program(), '-T', '-f', $file ], env => \%env, limit => 10);
        is $result->{err}, "$file:2: listen = $listen: this machine has no IPv6; $mend\n", "-T of $listen";
        is exit_code($result->{status}), 78, "-T of $listen: exit status";
        $result = run([ program(), '-f', $file ], env => \%env, limit => 10);
        like $result->{err}, qr/listen = \Q$listen\E: this machine has no IPv6; \Q$mend\E$/m, "a start with $listen";
    }
};

scene 'what this machine cannot do' => sub {
    is check(inside('workers = 1', 'max_workers = 20000', 'sessions_per_worker = 100000'))->{warnings}[0] =~ s/[\d.]+ GB/N GB/gr,
        '5: max_workers = 20000: with sessions_per_worker = 100000 the scoreboard needs N GB, and this machine has N GB; lower one of the two',
        'memory';
    my ($numbers) = read_file('/proc/sys/kernel/pid_max') =~ /(\d+)/;
    my $count = int($numbers / 32768) + 1;
    my $text  = join '', "[proxy]\nmax_workers = 32768\n",
        map { sprintf "[instance i%d]\nlisten = 127.0.0.1:%d\nserver = 127.0.0.1\n", $_, 1110 + $_ } 1 .. $count;
    my @warnings = grep { /processes/ } @{ check($text)->{warnings} };
    is scalar @warnings, 1, 'processes: once';
    like $warnings[0], qr/^2: max_workers = 32768: all instances together may have \d+ processes, and the kernel allows $numbers; raise kernel\.pid_max or lower max_workers\z/,
        'with the mend';
    my $low = sub { run([ 'sh', '-c', 'ulimit -n 1000 && exec "$@"', 'sh', @_ ], limit => 20) };
    write_file($file, inside('sessions_per_worker = 1000'));
    chmod 0755, $directory;
    my @as = is_root() ? qw(setpriv --reuid=65534 --regid=65534 --clear-groups) : ();
    like $low->(@as, program(), '-T', '-f', $file)->{err},
        qr/^warning: \Q$file\E:4: sessions_per_worker = 1000: needs 3064 open files for each worker, and the limit is 1000; raise the limit \(ulimit -n, LimitNOFILE\), or lower sessions_per_worker and raise max_workers\n\z/,
        'open files';
    return if !is_root();
    # Raising the hard limit needs a capability, not a certain user.
    like $low->(qw(setpriv --bounding-set -sys_resource --inh-caps -sys_resource), program(), '-T', '-f', $file)->{err},
        qr/needs 3064 open files for each worker/, 'root without leave to raise it';
    my $may_raise = exit_code($low->('sh', '-c', 'ulimit -n 3064')->{status}) == 0;
    is $low->(program(), '-T', '-f', $file)->{err} eq '', $may_raise, 'root as it is here';
};

scene 'a log file that exists' => sub {
    my $logs = directory(0755);
    my $log  = "$logs/log";
    my @as   = is_root() ? qw(setpriv --reuid=65534 --regid=65534 --clear-groups) : ();
    my $told = sub { my $err = run([ @as, program(), '-T', '-f', $file ], limit => 20)->{err}; return $err =~ s/^.*: log = //r };
    write_file($file, above("log = $log"));
    chmod 0755, $directory;
    write_file($log, '');
    chown 65534, 65534, $log if is_root();
    chmod 0555, $logs;
    is $told->(), '', 'needs no directory that can be written to';
    chmod 0444, $log;
    is $told->(), "$log: cannot be written\n", 'but leave to write it';
    chmod 0755, $logs;
    unlink $log;
    chmod 0555, $logs;
    is $told->(), "$log: its directory cannot be written\n", 'and one that is not there needs the directory';
    chmod 0755, $logs;
};

scene 'options take precedence over the file' => sub {
    my $text = inside('workers = 20', 'max_workers = 30');
    is check($text, '-n', 30)->{code}, 0, 'fewer workers than max_workers';
    is_deeply check($text, '-n', 31)->{mistakes}, ['-n: workers = 31: must be at most max_workers, which is 30'], 'too many';
    is_deeply check(above('user = no-such-user'), '-u', 'nobody')->{mistakes}, [], 'another user';
    is_deeply check(above('user = nobody'), '-u', 'no-such-user')->{mistakes},
        ['-u: user = no-such-user: there is no such user; create it, or name another'], 'an unknown one';
};

scene 'no syslog daemon' => sub {
    local $ENV{POP3_PROXY_SYSLOG} = '/no/such/socket';
    my $missing = 'syslog: no syslog daemon listens at /no/such/socket; start one, or set log to a file';
    is_deeply check(above('log = syslog'))->{warnings}, ["2: log = $missing"], 'is a warning';
    like check(inside())->{warnings}[0], qr/\A log = \Q$missing\E\z/, 'also where the key is not set';
    is_deeply check(above('log = stderr'))->{warnings}, [], 'nobody misses it otherwise';
};

scene '-T without a file' => sub {
    my $try = sub { return run([ program(), '-T', @_ ], limit => 10) };
    is $try->('-b', '127.0.0.1:1110', '-b', '[::1]:1110', '127.0.0.1')->{out}, "command line: ok (2 instances)\n", 'two addresses';
    is $try->('127.0.0.1')->{out}, "command line: ok (1 instance)\n", 'a superserver\'s session';
    my $result = $try->('-b', '127.0.0.1:1110', '-b', '127.0.0.1:1110', '127.0.0.1');
    is exit_code($result->{status}), 78, 'one address twice: exit status';
    like $result->{err}, qr/\A-b: listen = 127\.0\.0\.1:1110: already used by [^\n]+\n\z/, 'one address twice';
};

scene 'the examples in conf/' => sub {
    for my $example (map { "$FindBin::Bin/../conf/$_" } qw(pop3.proxy.conf minimal.conf)) {
        my $result = check_file($example);
        is_deeply [ grep { !/: listen = .*: no interface of this machine has the address/ } @{ $result->{mistakes} } ], [],
            "$example: no mistakes but the addresses of another machine";
        is_deeply [ grep { !/: server = / } @{ $result->{warnings} } ], [], "$example: nothing but names that do not resolve";
    }
};

done;
