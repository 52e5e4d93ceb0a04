# SPDX-License-Identifier: BSD-2-Clause
#
# Writes a peer's configuration into its own directory.
package Bench::Peers::Config;

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(config);

# Writes `text` into the file `name` of the peer's directory. Returns its path.
sub config {
    my ($at, $name, $text) = @_;
    my $path = "$at->{dir}/$name";
    open my $file, '>', $path or die "$path: $!\n";
    print {$file} $text;
    close $file or die "$path: $!\n";
    return $path;
}

1;
