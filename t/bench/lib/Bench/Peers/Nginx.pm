# SPDX-License-Identifier: BSD-2-Clause
#
# nginx: its mail proxy, and its stream proxy, which ends TLS for any protocol.
package Bench::Peers::Nginx;

use strict;
use warnings;
use Bench::Peers::Config qw(config);

my $MODULES = [qw(/usr/lib/nginx/modules /usr/lib64/nginx/modules /usr/share/nginx/modules
                  /usr/local/nginx/modules /usr/libexec/nginx)];

sub module_line {
    my ($name) = @_;
    my ($path) = grep { -e } map { "$_/ngx_${name}_module.so" } @$MODULES;
    return $path ? "load_module $path;" : '';        # otherwise it is built in, or the start fails
}

sub start {
    my ($at, $module, $body) = @_;
    my $user = $at->{user} ? "user $at->{user} $at->{group};" : '';
    my $file = config($at, 'nginx.conf', <<"END");
@{[module_line($module)]}
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

sub ssl_lines {
    my ($at) = @_;
    return '' unless $at->{is_tls};
    return "ssl_certificate $at->{cert}; ssl_certificate_key $at->{key}; ssl_protocols TLSv1.3;";
}

sub start_mail {
    my ($at, $buffer) = @_;
    my $ssl = $at->{is_tls} ? 'ssl' : '';
    return start($at, 'mail', <<"END");
mail {
    server_name bench;
    auth_http $at->{server}:$at->{auth_port}/auth;
    proxy_pass_error_message on;
    timeout 10m;
    ${\($buffer ? "proxy_buffer $buffer;" : '')}
    @{[ssl_lines($at)]}
    server {
        listen $at->{listen}:$at->{port} backlog=4096 $ssl;
        protocol pop3;
        pop3_auth plain;
    }
}
END
}

sub start_64k { return start_mail($_[0], '64k') }

sub server_ssl_lines {
    my ($at) = @_;
    return '' unless $at->{server_ca};
    return <<"END";
        proxy_ssl on;
        proxy_ssl_protocols TLSv1.3;
        proxy_ssl_verify on;
        proxy_ssl_trusted_certificate $at->{server_ca};
        proxy_ssl_name pop3.bench;
        proxy_ssl_server_name on;
END
}

sub start_stream {
    my ($at, $buffer) = @_;
    my $ssl = $at->{is_tls} ? 'ssl' : '';
    return start($at, 'stream', <<"END");
stream {
    @{[ssl_lines($at)]}
    proxy_timeout 10m;
    ${\($buffer ? "proxy_buffer_size $buffer;" : '')}
    server {
        listen $at->{listen}:$at->{port} backlog=4096 $ssl;
        proxy_pass $at->{server}:$at->{server_port};
@{[server_ssl_lines($at)]}
    }
}
END
}

sub start_stream_64k { return start_stream($_[0], '64k') }

1;
