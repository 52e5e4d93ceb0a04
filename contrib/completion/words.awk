# SPDX-License-Identifier: BSD-2-Clause
# The lines of table.h as lists of bash: options, their kinds of value, commands, what follows them,
# and the words that `explain` knows.

function text(word) { gsub(/["']/, "", word); return word }

# The words of a choice, or what sort of thing the value is.
function kind(what,    parts, count, i, words) {
    count = split(text(what), parts, "|")
    for (i = 1; i <= count; i++)
        if (parts[i] ~ /^[a-z0-9.]+$/) words = words (words == "" ? "" : "|") parts[i]
    if (words != "") return words
    if (what ~ /FILE|PROGRAM/) return "FILE"
    if (what ~ /ADDRESS:PORT/) return "LISTEN"
    return what ~ /DIR/ ? "DIRECTORY" : "OTHER"
}

$1 == "key" {
    gsub(/_/, "-", $3)
    if ($2 == "GROUP") { sub(/^group-/, "", $3); keys = keys " " $3; next }
    name = $3 == "listen" ? "bind" : $3
    keys = keys " " $3
    if (name == "server") next
    options = options " --" name
    kinds = kinds " [--" name "]='" ($5 == "FLAG" ? $5 : kind($5)) "'"
    if ($4 != "0") kinds = kinds " [-" text($4) "]='" ($5 == "FLAG" ? $5 : kind($5)) "'"
}

$1 == "group" { groups = groups " " text($2) }

# What follows a command, such as "USER|ADDRESS [--for 10m] [--output FILE]": the names that it needs,
# and its options after them.
$1 == "command" {
    word = text($2)
    commands = commands " " word
    names = 0
    list = ""
    for (i = 3; i <= NF; i++) {
        part = text($i)
        if (part !~ /^\[/) {
            if (part != "") names++
            continue
        }
        is_flag = part ~ /\]$/
        gsub(/[][]/, "", part)
        list = list " " part
        kinds_of_commands = kinds_of_commands " [" word part "]='" (is_flag ? "FLAG" : kind($(++i))) "'"
    }
    names_of_commands = names_of_commands " [" word "]=" names
    options_of_commands = options_of_commands " [" word "]='" substr(list, 2) "'"
}
$1 == "told" && !is_told[$2]++ { told = told " " text($2) }
$1 == "compare" {
    compare = compare " --" text($2)
    kinds_of_compare = kinds_of_compare " [--" text($2) "]='" ($3 == "NULL" ? "FLAG" : kind($3)) "'"
}
END {
    print "_pop3_proxy_keys='" substr(keys, 2) "'"
    print "_pop3_proxy_groups='" substr(groups, 2) "'"
    print "_pop3_proxy_options='" substr(options, 2) " --config --daemon --test-config --help --version --json'"
    print "_pop3_proxy_commands='" substr(commands, 2) "'"
    print "_pop3_proxy_told='" substr(told, 2) "'"
    print "declare -gA _pop3_proxy_names_of_commands=(" substr(names_of_commands, 2) ")"
    print "declare -gA _pop3_proxy_options_of_commands=(" substr(options_of_commands, 2) ")"
    print "declare -gA _pop3_proxy_kinds_of_commands=(" substr(kinds_of_commands, 2) ")"
    print "_pop3_proxy_compare='" substr(compare, 2) "'"
    print "declare -gA _pop3_proxy_kinds=(" substr(kinds, 2) " [--config]='FILE' [-f]='FILE')"
    print "declare -gA _pop3_proxy_compare_kinds=(" substr(kinds_of_compare, 2) ")"
}
