# SPDX-License-Identifier: BSD-2-Clause
#
# The peers of the benchmark: what each needs to be installed, which workloads it can do, and its
# configuration, written into a directory of its own. Each gets the settings a careful operator
# would give it for many short sessions, and none that switches off what it is there for. Peers
# that can be told to log nothing are told so.
#
# A peer's `start` gets a hash: dir, listen, port, server, server_port, auth_port, is_tls, pem,
# cert, key, cores (how many), sessions (at once), room (how many sessions the limit of descriptors
# allows), workload, proxy, programs, user, group, binary, note (a function for a remark),
# free_port (a function), grown (how large); it writes its files and returns the command line.
package Bench::Peers;

use strict;
use warnings;

my $NGINX_MODULES = [qw(/usr/lib/nginx/modules /usr/lib64/nginx/modules /usr/share/nginx/modules
                        /usr/local/nginx/modules /usr/libexec/nginx)];

sub config {
    my ($at, $name, $text) = @_;
    my $path = "$at->{dir}/$name";
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return $path;
}

# ---- the floor ----

sub start_floor_blocking {
    my ($at) = @_;
    my $is_holding = $at->{workload} =~ /^(idle|wan)/;
    return ("$at->{programs}/relay_floor", '--with-parent', '--mode', 'blocking',
            '--listen', "$at->{listen}:$at->{port}", '--server', "$at->{server}:$at->{server_port}",
            '--buffer', 262144, '--workers', 4,
            '--max-workers', $is_holding ? $at->{sessions} + 8 : 4);
}

sub start_floor_event {
    my ($at) = @_;
    return ("$at->{programs}/relay_floor", '--with-parent', '--mode', 'event',
            '--listen', "$at->{listen}:$at->{port}", '--server', "$at->{server}:$at->{server_port}",
            '--buffer', 262144);
}

# ---- pop3.proxy ----

sub product_config {
    my ($at, %key) = @_;
    my $proxy = '';
    my $instance = "listen = $at->{listen}:$at->{port}\n"
        . "server = $at->{server}:$at->{server_port}\n";
    $key{log} = "$at->{dir}/log";
    $key{user} = $at->{user} if $at->{user};
    for my $key (sort keys %key) {
        if ($key =~ /^(log|user|workers|max_workers)$/) {
            $proxy .= "$key = $key{$key}\n";
        } else {
            $instance .= "$key = $key{$key}\n";
        }
    }
    return config($at, 'proxy.ini', "[proxy]\n$proxy\n[instance bench]\n$instance");
}

# Does the program take this configuration? Output goes to a file for the report.
sub product_takes {
    my ($at, $file) = @_;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if ($pid == 0) {
        open STDOUT, '>', "$at->{dir}/test-config" or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        { no warnings 'exec'; exec $at->{proxy}, '-T', '-f', $file }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return $? == 0;
}

# Keys that not every version knows are asked for one by one; one that is refused is left out
# and reported, unless the variant makes no sense without it.
sub start_product {
    my ($at, $must, %wish) = @_;
    my %key = %$must;
    if ($at->{is_tls}) {
        @key{qw(tls tls_certificate tls_key)} = ('implicit', $at->{cert}, $at->{key});
    }
    if (!product_takes($at, product_config($at, %key))) {
        my $why = Bench::Process::slurp("$at->{dir}/test-config") || '';
        $why =~ s/\s+/ /g;
        die "not in this version: $why\n";
    }
    for my $key (sort keys %wish) {
        if (product_takes($at, product_config($at, %key, $key => $wish{$key}))) {
            $key{$key} = $wish{$key};
        } else {
            $at->{note}->("$key is not taken");
        }
    }
    return ($at->{proxy}, '-f', product_config($at, %key));
}

# Limits that are there against one hostile client: here all clients have few addresses.
my %open_door = (backlog => 4096, max_per_ip => 0, login_failures => 0);

sub start_pop3_hot {
    my ($at) = @_;
    return start_product($at, {workers => 4, max_workers => 4}, %open_door);
}

sub start_pop3_64 {
    my ($at) = @_;
    return start_product($at, {workers => 64, max_workers => 64}, %open_door);
}

sub start_pop3_auto {
    my ($at) = @_;
    my $max = $at->{sessions} + 64;
    return start_product($at, {}, %open_door, max_workers => $max < 1024 ? 1024 : $max);
}

sub start_pop3_many {
    my ($at) = @_;
    my $room = $at->{sessions} + 64;
    return start_product($at, {workers => $at->{cores}, max_workers => $at->{cores},
                               sessions_per_worker => $room < 1024 ? 1024 : $room}, %open_door);
}

# One of its own dimensions, `grown` large.
sub start_pop3_grown {
    my ($at) = @_;
    my %key = (workers => 8, max_workers => 8);
    my $count = $at->{grown};
    @key{qw(workers max_workers)} = ($count, $count) if $at->{workload} =~ /^pool-/;
    if ($at->{workload} =~ /^allow-/) {
        my $names = join '', map { "mail$_.isp.example\n" } 2 .. $count;
        my $file = config($at, 'allow', "$names$at->{server}:$at->{server_port}\n");
        @key{qw(select_server delimiters allow_servers_file)} = ('yes', '"%"', $file);
    }
    my @command = start_product($at, \%key, %open_door);
    return @command unless $at->{workload} =~ /^instances-/;
    open my $file, '>>', $command[-1] or die "$command[-1]: $!\n";
    print {$file} "\n[instance more$_]\nlisten = $at->{listen}:" . $at->{free_port}->()
        . "\nserver = $at->{server}:$at->{server_port}\n" for 2 .. $count;
    close $file or die "$command[-1]: $!\n";
    return @command;
}

# ---- HAProxy ----

sub start_haproxy {
    my ($at, $option) = @_;
    my $room = int($at->{room} * 0.75);         # its pipes for splice() need descriptors too
    my $bind = "$at->{listen}:$at->{port} backlog 4096";
    $bind .= " ssl crt $at->{pem} ssl-min-ver TLSv1.3" if $at->{is_tls};
    my $user = $at->{user} ? "user $at->{user}" : '';
    return ($at->{binary}, '-db', '-f', config($at, 'haproxy.cfg', <<"END"));
global
    nbthread $at->{cores}
    maxconn $room
    $user
    tune.pipesize 1048576
defaults
    mode tcp
    maxconn $room
    timeout connect 10s
    timeout client 10m
    timeout server 10m
    ${\($option || '')}
listen pop3
    bind $bind
    server canned $at->{server}:$at->{server_port}
END
}

sub start_haproxy_splice { return start_haproxy($_[0], 'option splice-response') }

# ---- nginx ----

sub nginx_module {
    my ($name) = @_;
    my ($path) = grep { -e } map { "$_/ngx_${name}_module.so" } @$NGINX_MODULES;
    return $path ? "load_module $path;" : '';        # else it is built in, or the start fails
}

sub start_nginx {
    my ($at, $module, $body) = @_;
    my $user = $at->{user} ? "user $at->{user} $at->{group};" : '';
    my $file = config($at, 'nginx.conf', <<"END");
@{[nginx_module($module)]}
daemon off;
$user
pid $at->{dir}/nginx.pid;
error_log $at->{dir}/error.log error;
worker_processes $at->{cores};
worker_rlimit_nofile @{[2 * $at->{room} + 100]};
events { worker_connections @{[2 * $at->{room}]}; }
$body
END
    return ($at->{binary}, '-p', $at->{dir}, '-e', "$at->{dir}/error.log", '-c', $file);
}

sub nginx_ssl {
    my ($at) = @_;
    return '' unless $at->{is_tls};
    return "ssl_certificate $at->{cert}; ssl_certificate_key $at->{key}; ssl_protocols TLSv1.3;";
}

sub start_nginx_mail {
    my ($at, $buffer) = @_;
    my $ssl = $at->{is_tls} ? 'ssl' : '';
    return start_nginx($at, 'mail', <<"END");
mail {
    server_name bench;
    auth_http $at->{server}:$at->{auth_port}/auth;
    proxy_pass_error_message on;
    timeout 10m;
    ${\($buffer ? "proxy_buffer $buffer;" : '')}
    @{[nginx_ssl($at)]}
    server {
        listen $at->{listen}:$at->{port} backlog=4096 $ssl;
        protocol pop3;
        pop3_auth plain;
    }
}
END
}

sub start_nginx_64k { return start_nginx_mail($_[0], '64k') }

sub start_nginx_stream {
    my ($at) = @_;
    return start_nginx($at, 'stream', <<"END");
stream {
    @{[nginx_ssl($at)]}
    proxy_timeout 10m;
    server {
        listen $at->{listen}:$at->{port} backlog=4096 ssl;
        proxy_pass $at->{server}:$at->{server_port};
    }
}
END
}

# ---- Dovecot's login proxy ----

sub start_dovecot {
    my ($at) = @_;
    my $self = getpwuid $>;
    my $user = $at->{user} ? '' : <<"END";      # not root: all of it under one name, no chroot
default_internal_user = $self
default_login_user = $self
default_internal_group =
service anvil {
  chroot =
}
service stats {
  chroot =
}
END
    my $chroot = $at->{user} ? '' : "chroot =";
    my $tls = $at->{is_tls} ? "ssl = required\nssl_cert = <$at->{cert}\nssl_key = <$at->{key}"
                            : 'ssl = no';
    my ($plain_port, $tls_port) = $at->{is_tls} ? (0, $at->{port}) : ($at->{port}, 0);
    return ($at->{binary}, '-F', '-c', config($at, 'dovecot.conf', <<"END"));
base_dir = $at->{dir}/run
state_dir = $at->{dir}/state
instance_name = pop3bench
log_path = $at->{dir}/dovecot.log
info_log_path = /dev/null
protocols = pop3
listen = $at->{listen}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
default_client_limit = @{[2 * $at->{room}]}
default_process_limit = 200
$user
$tls
passdb {
  driver = static
  args = nopassword=y proxy=y host=$at->{server} port=$at->{server_port}
}
service pop3-login {
  inet_listener pop3 {
    port = $plain_port
  }
  inet_listener pop3s {
    port = $tls_port
    ssl = @{[$at->{is_tls} ? 'yes' : 'no']}
  }
  service_count = 0
  process_min_avail = $at->{cores}
  process_limit = $at->{cores}
  client_limit = $at->{room}
  vsz_limit = 0
  $chroot
}
END
}

# ---- perdition ----

sub start_perdition {
    my ($at) = @_;
    my @user = $at->{user} ? ('-u', $at->{user}, '-g', $at->{group}) : ();
    return ($at->{binary}, '--no_daemon', '-f', '/dev/null', '-P', 'POP3', '-b', $at->{listen},
            '-l', $at->{port}, '-s', $at->{server}, '-p', $at->{server_port}, '-M', '', '-n', '-q',
            '--ssl_mode', 'none', '--pid_file', '', '-F', "$at->{dir}/perdition.log", @user);
}

# ---- TLS in front of anything ----

sub start_hitch {
    my ($at) = @_;
    my $user = $at->{user} ? "user = \"$at->{user}\"\ngroup = \"$at->{group}\"" : '';
    return ($at->{binary}, '--config=' . config($at, 'hitch.conf', <<"END"));
frontend = "[$at->{listen}]:$at->{port}"
backend = "[$at->{server}]:$at->{server_port}"
pem-file = "$at->{pem}"
workers = $at->{cores}
backlog = 4096
tls-protos = TLSv1.3
daemon = off
syslog = off
log-level = 1
$user
END
}

sub start_stunnel {
    my ($at) = @_;
    my $user = $at->{user} ? "setuid = $at->{user}\nsetgid = $at->{group}" : '';
    return ($at->{binary}, config($at, 'stunnel.conf', <<"END"));
foreground = yes
pid =
output = $at->{dir}/stunnel.log
debug = 3
syslog = no
$user
[pop3]
accept = $at->{listen}:$at->{port}
connect = $at->{server}:$at->{server_port}
cert = $at->{pem}
sslVersionMin = TLSv1.3
sessionCacheSize = 20000
TIMEOUTclose = 0
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
END
}

# ---- the list, in the order of the tables ----

# needs: programs one of which must be there; `proxy` and `programs` are the project's own.
# plain, tls: can be asked for it. only: a pattern of workloads, slow: one it is left out of
# unless it is asked for by its name.
my @peers = (
    {name => 'direct', label => 'direct, no proxy', plain => 1},
    {name => 'floor_event', label => 'floor, event', plain => 1, start => \&start_floor_event},
    {name => 'floor_blocking', label => 'floor, blocking', plain => 1,
     start => \&start_floor_blocking},
    {name => 'pop3_hot', label => 'pop3.proxy, 4 workers', plain => 1, tls => 1, is_product => 1,
     start => \&start_pop3_hot, only => qr/^(poll|fetch|bulk|open|storm|scale|size)/},
    {name => 'pop3_64', label => 'pop3.proxy, 64 workers', plain => 1, is_product => 1,
     start => \&start_pop3_64, only => qr/^(poll|fetch)$/},
    {name => 'pop3_auto', label => 'pop3.proxy, as it comes', plain => 1, tls => 1,
     is_product => 1, start => \&start_pop3_auto},
    {name => 'pop3_many', label => 'pop3.proxy, many a worker', plain => 1, tls => 1,
     is_product => 1, start => \&start_pop3_many},
    {name => 'pop3_grown', label => 'pop3.proxy', plain => 1, is_product => 1, is_growing => 1,
     start => \&start_pop3_grown, only => qr/^(pool|instances|allow)-/},
    {name => 'haproxy', label => 'HAProxy, TCP', plain => 1, tls => 1, needs => ['haproxy'],
     start => \&start_haproxy},
    {name => 'haproxy_splice', label => 'HAProxy, splice', plain => 1, needs => ['haproxy'],
     start => \&start_haproxy_splice, only => qr/^(bulk|fetch)$/},
    {name => 'nginx', label => 'nginx mail', plain => 1, tls => 1, needs => ['nginx'],
     start => \&start_nginx_mail},
    {name => 'nginx_64k', label => 'nginx mail, 64k', plain => 1, tls => 1, needs => ['nginx'],
     start => \&start_nginx_64k, only => qr/^(bulk|fetch|bulk-tls)$/},
    {name => 'nginx_stream', label => 'nginx stream', tls => 1, needs => ['nginx'],
     start => \&start_nginx_stream},
    {name => 'dovecot', label => 'Dovecot login proxy', plain => 1, tls => 1, needs => ['dovecot'],
     start => \&start_dovecot},
    {name => 'hitch', label => 'hitch', tls => 1, needs => ['hitch'], start => \&start_hitch},
    {name => 'stunnel', label => 'stunnel', tls => 1, needs => ['stunnel', 'stunnel4', 'stunnel5'],
     start => \&start_stunnel},
    {name => 'perdition', label => 'perdition', plain => 1, needs => ['perdition'],
     start => \&start_perdition, slow => qr/^(open|wan|scale-(512|4096))/},
);

sub all { return @peers }

1;
