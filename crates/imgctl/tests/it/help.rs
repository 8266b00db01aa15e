//! Help and version.

use crate::environment::TestEnvironment;
use snapbox::str;

#[test]
fn version() {
    let environment = TestEnvironment::new();
    environment
        .imgctl("--version")
        .assert()
        .success()
        .stdout_eq(str![[r#"
imgctl 0.1.0

"#]])
        .stderr_eq("");
}

#[test]
fn the_first_page() {
    let environment = TestEnvironment::new();
    environment
        .imgctl("--help")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Rebakes golden disk images: no VM, no root, no kernel drivers

Usage: imgctl [OPTIONS] <COMMAND>

Commands:
  customize      Change what is inside an image and write a new one
  sysprep        Take out of an image what must not travel from one machine to its clones
  plan           Show what a recipe would change in an image
  run            Run one program of the guest, and keep nothing of what it writes
  inspect        Show what an image is and holds
  ls             List files inside an image
  cat            Print files from inside an image
  convert        Write the disk of an image as another image
  compare        Compare what the guests of two images see
  info           Show an image's format, size, allocation, snapshots and features
  check          Check the tables and refcounts of a qcow2 image
  verify         Check an image against a recipe's `expect` and `verify`
  doctor         Say whether programs of guests can be run here, and what is missing
  steps          List every operation: the steps of a recipe, and the options that change a guest
  recipe         Work with recipes
  completions    Print the completions of a shell
  install-links  Make links by which the drop-in tools are called: virt-customize, virt-cat and the
                 others
  help           Print this message or the help of the given subcommand(s)

Options:
  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Messages:
  -q, --quiet
          Only warnings and errors: no progress, no summary

      --log-format <FORMAT>
          Form of messages on standard error: text, or json with one object per line
          
          [default: text]

      --color <WHEN>
          When to use colour: auto, always or never
          
          [default: auto]

Drop-in tools:
  `imgctl virt-cat` is virt-cat of guestfs-tools, and so are virt-customize and others; `imgctl
  install-links DIR` makes
  links of their names.

Exit codes:
  0  done                              13  no space on the host
  1  another failure                   20  a step failed
  2  wrong usage or recipe             21  the result could not be verified
 10  a download failed (try again)     30  publishing failed (try again)
 11  wrong checksum or signature       70  a bug in imgctl
 12  unsupported or damaged image     130  interrupted

"#]])
        .stderr_eq("");
}

#[test]
fn without_arguments_help_is_an_error() {
    let environment = TestEnvironment::new();
    environment
        .imgctl("")
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
Rebakes golden disk images: no VM, no root, no kernel drivers

Usage: imgctl [OPTIONS] <COMMAND>

Commands:
  customize      Change what is inside an image and write a new one
  sysprep        Take out of an image what must not travel from one machine to its clones
  plan           Show what a recipe would change in an image
  run            Run one program of the guest, and keep nothing of what it writes
  inspect        Show what an image is and holds
  ls             List files inside an image
  cat            Print files from inside an image
  convert        Write the disk of an image as another image
  compare        Compare what the guests of two images see
  info           Show an image's format, size, allocation, snapshots and features
  check          Check the tables and refcounts of a qcow2 image
  verify         Check an image against a recipe's `expect` and `verify`
  doctor         Say whether programs of guests can be run here, and what is missing
  steps          List every operation: the steps of a recipe, and the options that change a guest
  recipe         Work with recipes
  completions    Print the completions of a shell
  install-links  Make links by which the drop-in tools are called: virt-customize, virt-cat and the
                 others
  help           Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help (see more with '--help')
  -V, --version  Print version

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

"#]]);
}

#[test]
fn customize() {
    let environment = TestEnvironment::new();
    environment
        .imgctl("customize -h")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Change what is inside an image and write a new one

Usage: imgctl customize [OPTIONS] [BASE]

Arguments:
  [BASE]  Image to begin with, qcow2 or raw

Options:
  -r, --recipe <FILE>   Recipe that says what should be inside; without one the image is only
                        repacked
      --receipt <FILE>  Write a record of the run as JSON
      --json            Write the receipt to standard output
      --scratch <DIR>   Folder for a scratch file [default: the output's folder]
  -n, --dry-run         Do everything but writing the output, and show every change, as `imgctl
                        plan` does
      --wipe-free       Make all free blocks of the guest's filesystems zero, not only those that
                        this run freed
      --threads <N>     Worker threads; the output does not depend on it [default: one per
                        processor]
  -h, --help            Print help (see more with '--help')

Variables:
      --set <NAME=VALUE>  Set a variable of the recipe; wins over --vars, and may be repeated
      --vars <FILE>       Set variables by a YAML mapping of names to values; may be repeated, a
                          later file wins

Guest programs:
      --sandbox <KIND>  What programs of the guest run in; `none` refuses them [default: auto]
                        [possible values: auto, userns, extract, none]
      --network <WHAT>  What programs of the guest reach: nothing, or all that this machine does
                        [default: none] [possible values: none, host]

Output:
  -o, --output <OUT>               Image to write [default: the recipe's `outputs`]
      --force                      Replace the output if it exists
      --format <FORMAT>            Format of the output [default: qcow2] [possible values: raw,
                                   qcow2]
      --compress <METHOD[:LEVEL]>  Compression of qcow2: zlib, zstd or none, and a level as in
                                   zlib:9 [default: zlib]
      --cluster-size <BYTES>       Cluster size of qcow2, a power of two from 512 to 2M [default:
                                   64K]
      --compat <VERSION>           Version of qcow2: 0.10 for qemu before 1.1 [default: 1.1]
                                   [possible values: 0.10, 1.1]
      --recompress                 Compress everything anew, also what could be copied as it is
                                   [alias: --no-passthrough]
      --thin                       Write only what changed, as a qcow2 that needs the base

Input:
      --input-format <FORMAT>    The image's format, instead of detecting it by content [possible
                                 values: raw, qcow2]
      --force-share              Go on although another program has the image open for writing
      --root <PARTITION>         Number of the partition that holds the guest's root, where several
                                 could
      --allow-backing <DIR>      Folder in and below which the image's backing and data files may be
                                 opened; may be repeated [default: none]
      --backing-format <FORMAT>  Format of backing files, where the image above does not name it
                                 [possible values: raw, qcow2]

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl customize base.qcow2 --recipe golden.yaml -o golden.qcow2
  imgctl customize base.qcow2 --recipe golden.yaml --dry-run
  imgctl customize base.qcow2 --recipe golden.yaml -o golden.raw --format raw
  imgctl customize base.qcow2 --recipe golden.yaml -o golden.qcow2 --compress zstd:9 --force
  imgctl customize base.qcow2 -o smaller.qcow2 --wipe-free    # only repack
  imgctl customize base.qcow2 -o node.qcow2 --hostname node1 --mask-unit ctrl-alt-del.target

Options that change the guest are orders in virt-customize's words, done in their order after the
recipe and before its `reset`. `imgctl steps` lists them, and so does --help.

Standard output carries only what is asked for: the changes of a dry run, or the receipt with
--json. The summary and warnings go to standard error.

Environment:
  SOURCE_DATE_EPOCH  Time to stamp changes with, in seconds since 1970
                     [default: the newest time that the image's filesystems record]

"#]])
        .stderr_eq("");
}

#[test]
fn commands_that_look_inside() {
    let environment = TestEnvironment::new();
    environment.imgctl("help ls").assert().success().stdout_eq(str![[r#"
List files inside an image

Sorted by name. Control bytes and bytes that are not UTF-8 appear as /xNN, a backslash as //. Owners
are numbers, times are UTC.

Usage: imgctl ls [OPTIONS] <IMAGE> [PATH]

Arguments:
  <IMAGE>
          Image, qcow2 or raw

  [PATH]
          Path inside the guest
          
          [default: /]

Options:
  -l
          Show type, mode, links, owner, group, size, time of change and where links lead

  -R, --recursive
          Go into folders; paths are whole then

      --json
          Write everything that -l shows as JSON

  -h, --help
          Print help (see a summary with '-h')

Input:
      --input-format <FORMAT>
          The image's format, instead of detecting it by content
          
          [possible values: raw, qcow2]

      --force-share
          Go on although another program has the image open for writing

      --root <PARTITION>
          Number of the partition that holds the guest's root, where several could

      --allow-backing <DIR>
          Folder in and below which the image's backing and data files may be opened; may be
          repeated [default: none]

      --backing-format <FORMAT>
          Format of backing files, where the image above does not name it
          
          [possible values: raw, qcow2]

Messages:
  -q, --quiet
          Only warnings and errors: no progress, no summary

      --log-format <FORMAT>
          Form of messages on standard error: text, or json with one object per line
          
          [default: text]

      --color <WHEN>
          When to use colour: auto, always or never
          
          [default: auto]

Examples:
  imgctl ls base.qcow2 /boot
  imgctl ls -l base.qcow2 /etc/ssh
  imgctl ls -R --json base.qcow2 | jq -r '.[] | select(.type == "file") | .path'

"#]]);
    environment.imgctl("cat -h").assert().success().stdout_eq(str![[r#"
Print files from inside an image

Usage: imgctl cat [OPTIONS] <IMAGE> <PATH>...

Arguments:
  <IMAGE>    Image, qcow2 or raw
  <PATH>...  Paths inside the guest

Options:
  -h, --help  Print help (see more with '--help')

Input:
      --input-format <FORMAT>    The image's format, instead of detecting it by content [possible
                                 values: raw, qcow2]
      --force-share              Go on although another program has the image open for writing
      --root <PARTITION>         Number of the partition that holds the guest's root, where several
                                 could
      --allow-backing <DIR>      Folder in and below which the image's backing and data files may be
                                 opened; may be repeated [default: none]
      --backing-format <FORMAT>  Format of backing files, where the image above does not name it
                                 [possible values: raw, qcow2]

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl cat base.qcow2 /etc/os-release
  imgctl cat base.qcow2 /var/log/installer/syslog | less

"#]]);
    environment.imgctl("inspect -h").assert().success().stdout_eq(str![[r#"
Show what an image is and holds

Usage: imgctl inspect [OPTIONS] <IMAGE>

Arguments:
  <IMAGE>  Image, qcow2 or raw

Options:
      --json  Write it as JSON
  -h, --help  Print help (see more with '--help')

Input:
      --input-format <FORMAT>    The image's format, instead of detecting it by content [possible
                                 values: raw, qcow2]
      --force-share              Go on although another program has the image open for writing
      --root <PARTITION>         Number of the partition that holds the guest's root, where several
                                 could
      --allow-backing <DIR>      Folder in and below which the image's backing and data files may be
                                 opened; may be repeated [default: none]
      --backing-format <FORMAT>  Format of backing files, where the image above does not name it
                                 [possible values: raw, qcow2]

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl inspect base.qcow2
  imgctl inspect --json base.qcow2 | jq -r .guest.os.pretty_name

"#]]);
    environment
        .imgctl("recipe check -h")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Check recipes without an image

Usage: imgctl recipe check [OPTIONS] <FILE>...

Arguments:
  <FILE>...  Recipes

Options:
      --json  Write the findings as JSON
  -h, --help  Print help (see more with '--help')

Variables:
      --set <NAME=VALUE>  Set a variable of the recipe; wins over --vars, and may be repeated
      --vars <FILE>       Set variables by a YAML mapping of names to values; may be repeated, a
                          later file wins

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl recipe check golden.yaml
  imgctl recipe check --json recipes/*.yaml

Exits with 2 when there is an error, with 0 when there are only warnings.

"#]]);
}

#[test]
fn commands_that_change_nothing() {
    let environment = TestEnvironment::new();
    environment.imgctl("plan -h").assert().success().stdout_eq(str![[r#"
Show what a recipe would change in an image

Usage: imgctl plan [OPTIONS] [BASE]

Arguments:
  [BASE]  Image to begin with, qcow2 or raw

Options:
  -r, --recipe <FILE>   Recipe that says what should be inside; without one the image is only
                        repacked
      --receipt <FILE>  Write a record of the run as JSON
      --json            Write the receipt to standard output
      --scratch <DIR>   Folder for a scratch file [default: the output's folder]
  -h, --help            Print help (see more with '--help')

Variables:
      --set <NAME=VALUE>  Set a variable of the recipe; wins over --vars, and may be repeated
      --vars <FILE>       Set variables by a YAML mapping of names to values; may be repeated, a
                          later file wins

Guest programs:
      --sandbox <KIND>  What programs of the guest run in; `none` refuses them [default: auto]
                        [possible values: auto, userns, extract, none]
      --network <WHAT>  What programs of the guest reach: nothing, or all that this machine does
                        [default: none] [possible values: none, host]

Input:
      --input-format <FORMAT>    The image's format, instead of detecting it by content [possible
                                 values: raw, qcow2]
      --force-share              Go on although another program has the image open for writing
      --root <PARTITION>         Number of the partition that holds the guest's root, where several
                                 could
      --allow-backing <DIR>      Folder in and below which the image's backing and data files may be
                                 opened; may be repeated [default: none]
      --backing-format <FORMAT>  Format of backing files, where the image above does not name it
                                 [possible values: raw, qcow2]

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl plan base.qcow2 --recipe golden.yaml
  imgctl plan base.qcow2 --recipe golden.yaml --color always | less -R
  imgctl plan base.qcow2 --recipe golden.yaml --json | jq -r '.changes[].path'

Standard output has the steps in their order, and below each the paths that it changes: A added, M
modified, D deleted. Texts are shown as a unified diff, other contents by size and digest, secrets
not at all. Everything is done as `imgctl customize` does it, the reading back included, but nothing
is written.

"#]]);
    environment
        .imgctl("completions -h")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Print the completions of a shell

Usage: imgctl completions [OPTIONS] <SHELL>

Arguments:
  <SHELL>  The shell [possible values: bash, elvish, fish, powershell, zsh]

Options:
  -h, --help  Print help

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl completions bash > ~/.local/share/bash-completion/completions/imgctl
  imgctl completions zsh > ~/.zfunc/_imgctl        # a folder of $fpath
  imgctl completions fish > ~/.config/fish/completions/imgctl.fish
  imgctl completions elvish > ~/.config/elvish/lib/imgctl.elv
  imgctl completions powershell >> $PROFILE

"#]]);
    environment
        .imgctl("recipe from-cloud-config -h")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Write a recipe that does what a cloud-config says

Usage: imgctl recipe from-cloud-config [OPTIONS] <FILE>

Arguments:
  <FILE>  The cloud-config; - for standard input

Options:
      --default-user <NAME>  The image's default user, who gets the keys that are for nobody else
  -o, --output <FILE>        File to write the recipe to [default: standard output]
      --force                Replace the file if it exists
      --strict               Exit with 2 if something could not be carried over
  -h, --help                 Print help (see more with '--help')

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl recipe from-cloud-config user-data.yaml -o golden.yaml
  imgctl recipe from-cloud-config user-data.yaml --default-user debian --strict

"#]]);
    environment
        .imgctl("recipe from-virt-customize -h")
        .assert()
        .success()
        .stdout_eq(str![[r#"
Write a recipe that does what a virt-customize command line says

Usage: imgctl recipe from-virt-customize [OPTIONS] <ARGS>...

Arguments:
  <ARGS>...  Arguments of virt-customize, such as --commands-from-file FILE

Options:
  -o, --output <FILE>  File to write the recipe to [default: standard output]
      --force          Replace the file if it exists
      --strict         Exit with 2 if something could not be carried over
  -h, --help           Print help (see more with '--help')

Messages:
  -q, --quiet                Only warnings and errors: no progress, no summary
      --log-format <FORMAT>  Form of messages on standard error: text, or json with one object per
                             line [default: text]
      --color <WHEN>         When to use colour: auto, always or never [default: auto]

Examples:
  imgctl recipe from-virt-customize --hostname node --install chrony --run-command 'systemctl enable
  chrony'
  imgctl recipe from-virt-customize -o golden.yaml --commands-from-file commands.txt
  imgctl recipe from-virt-customize --strict -- -a base.qcow2 --timezone Europe/Berlin

"#]]);
}
