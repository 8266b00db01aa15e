//! What the long tier consists of: kinds of cases, each with a goal.

/// A kind of case.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its name, as the cases print it.
    pub(super) name: &'static str,
    /// What one case is, for the report.
    pub(super) about: &'static str,
    /// Who says whether it is right.
    pub(super) judges: &'static str,
    /// How many cases there should be.
    pub(super) goal: u64,
    pub(super) work: Work,
}

/// How its cases are run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// A test that goes through seeds, and how many of them make a shard of a minute or two.
    Seeds {
        test: Test,
        per_shard: u64,
        /// Whether the process may map no more than [`ADDRESS_SPACE`].
        is_confined: bool,
    },
    /// One test for each case.
    Tests(&'static [Test]),
    /// Every built fixture, customized, by every firmware, with and without a seed.
    Boots,
}

/// A test of a crate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Test {
    pub(super) package: &'static str,
    pub(super) target: &'static str,
    pub(super) name: &'static str,
}

/// What a confined test may map: far more than any of its cases needs, far less than a length from a damaged image.
pub(super) const ADDRESS_SPACE: u64 = 3 << 30;

const fn test(package: &'static str, target: &'static str, name: &'static str) -> Test {
    Test { package, target, name }
}

const fn seeds(test: Test, per_shard: u64) -> Work {
    Work::Seeds {
        test,
        per_shard,
        is_confined: false,
    }
}

const fn confined(test: Test, per_shard: u64) -> Work {
    Work::Seeds {
        test,
        per_shard,
        is_confined: true,
    }
}

/// Every kind, in the report's order.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "ext4-random",
        about: "a round of 1,000 random operations on one of 14 option sets (1, 2, 4 KiB blocks); then the kernel \
                writes, then the engine again",
        judges: "the model, e2fsck -fn three times, kernel mounts (compared with the model, and with the engine)",
        goal: 400,
        work: seeds(
            test(
                "imgctl-ext4",
                "it",
                "random::random_operations_agree_with_the_model_and_the_kernel",
            ),
            20,
        ),
    },
    Kind {
        name: "ext4-wide",
        about: "thousands of names in a directory and files of hundreds of extents; then as above",
        judges: "as above",
        goal: 140,
        work: seeds(
            test(
                "imgctl-ext4",
                "it",
                "random::wide_directories_and_fragmented_files_agree_too",
            ),
            10,
        ),
    },
    Kind {
        name: "ext4-full",
        about: "a small filesystem that is filled up by random operations; then as above",
        judges: "e2fsck -fn three times, kernel mounts",
        goal: 60,
        work: seeds(
            test("imgctl-ext4", "it", "random::a_full_filesystem_is_as_sound_as_any"),
            5,
        ),
    },
    Kind {
        name: "ext4-damage",
        about: "up to four changed words or bytes of an ext4 filesystem, which is then read, changed and committed",
        judges: "no panic, 10 s and 256 MiB at most, 3 GiB of addresses",
        goal: 20_000,
        work: confined(
            test("imgctl-ext4", "it", "damage::flipped_bytes_are_an_error_at_worst"),
            2000,
        ),
    },
    Kind {
        name: "xfs-random",
        about: "a round of 1,000 random operations on one of 6 option sets (1, 2, 4 KiB blocks); then the kernel writes \
                and removes thousands of files, then the engine again",
        judges: "the model, xfs_repair -n three times, kernel mounts (compared with the model, and with the engine)",
        goal: 100,
        work: seeds(
            test(
                "imgctl-xfs",
                "it",
                "random::random_operations_agree_with_the_model_and_the_kernel",
            ),
            10,
        ),
    },
    Kind {
        name: "xfs-wide",
        about: "thousands of names in a directory and files of hundreds of extents; then as above",
        judges: "as above",
        goal: 40,
        work: seeds(
            test(
                "imgctl-xfs",
                "it",
                "random::wide_directories_and_fragmented_files_agree_too",
            ),
            5,
        ),
    },
    Kind {
        name: "xfs-full",
        about: "a small filesystem that is filled up by random operations; then as above",
        judges: "xfs_repair -n three times, kernel mounts",
        goal: 20,
        work: seeds(
            test("imgctl-xfs", "it", "random::a_full_filesystem_is_as_sound_as_any"),
            5,
        ),
    },
    Kind {
        name: "xfs-damage",
        about: "up to four changed words or bytes of an XFS filesystem, in half of the cases with right sums, which is \
                then read, checked, changed and committed",
        judges: "no panic, 10 s and 256 MiB at most, 3 GiB of addresses",
        goal: 2_000,
        work: confined(
            test("imgctl-xfs", "it", "damage::flipped_bytes_are_an_error_at_worst"),
            500,
        ),
    },
    Kind {
        name: "fat-random",
        about: "a round of 1,000 random operations on FAT12, FAT16 or FAT32",
        judges: "the model, fsck.fat -n, mtools, the fatfs crate",
        goal: 400,
        work: seeds(
            test("imgctl-fat", "it", "random::random_operations_equal_the_model"),
            40,
        ),
    },
    Kind {
        name: "fat-damage",
        about: "up to four changed bytes of a FAT filesystem, which is then used up",
        judges: "no panic, opened again after the commit, 10 s and 256 MiB at most",
        goal: 20_000,
        work: confined(
            test(
                "imgctl-fat",
                "it",
                "damage::damage_never_panics_and_what_is_opened_can_be_used",
            ),
            2000,
        ),
    },
    Kind {
        name: "fat-noise",
        about: "forty entries of noise behind a sound boot sector",
        judges: "as above",
        goal: 5000,
        work: confined(
            test(
                "imgctl-fat",
                "it",
                "damage::random_bytes_behind_a_boot_sector_never_panic",
            ),
            1000,
        ),
    },
    Kind {
        name: "table-damage",
        about: "up to four changed bytes of a GPT (half of them signed again) or of an MBR with logical partitions",
        judges: "no panic, partitions within the disk and apart, 10 s and 256 MiB at most",
        goal: 100_000,
        work: confined(
            test("imgctl-volume", "it", "damage::damaged_tables_never_panic"),
            20_000,
        ),
    },
    Kind {
        name: "table-noise",
        about: "a disk of noise with a boot signature",
        judges: "as above",
        goal: 10_000,
        work: confined(test("imgctl-volume", "it", "damage::random_bytes_never_panic"), 5000),
    },
    Kind {
        name: "qcow2-mutant",
        about: "a damaged qcow2 file of one of seven forms, which is read and rewritten",
        judges: "no panic; every fourth read by qemu-img too; 10 s and 256 MiB at most",
        goal: 7000,
        work: confined(
            test(
                "imgctl-qcow2",
                "it",
                "hostile::mutants_are_refused_or_read_as_qemu_reads_them",
            ),
            500,
        ),
    },
    Kind {
        name: "qcow2-matrix",
        about: "one of 71 images by qemu-img (every feature it can write), written anew with zlib, with zstd or plain",
        judges: "qemu-img check, qemu-img compare",
        goal: 213,
        work: seeds(test("imgctl-qcow2", "it", "rewrite::every_image_can_be_rewritten"), 71),
    },
    Kind {
        name: "command-damage",
        about: "`imgctl customize` of a disk with changed bytes in its table, its ext4 or its FAT",
        judges: "an exit code of its own, nothing left behind or a sound qcow2, the base unchanged, 30 s, 2 GiB",
        goal: 1000,
        work: seeds(
            test("imgctl-tests", "e2e", "damage::damaged_disks_are_refused_or_done"),
            50,
        ),
    },
    Kind {
        name: "kill",
        about: "`imgctl customize` of the small image is ended by SIGKILL, SIGINT or SIGTERM at a random moment",
        judges: "the base and an earlier output intact, no half output, no scratch, the next run undisturbed",
        goal: 1000,
        work: seeds(
            test("imgctl-tests", "e2e", "kill::signals_at_random_moments_of_a_small_run"),
            100,
        ),
    },
    Kind {
        name: "kill-long",
        about: "the same of debian13",
        judges: "as above",
        goal: 100,
        work: seeds(
            test("imgctl-tests", "e2e", "kill::signals_at_random_moments_of_a_long_run"),
            20,
        ),
    },
    Kind {
        name: "system-call",
        about: "one system call of a run fails, is short, or is where a signal comes (23 kinds, at a random index)",
        judges: "the failure is told, no half output, the base and an earlier output intact",
        goal: 1150,
        work: seeds(test("imgctl-tests", "e2e", "faults::system_calls_that_fail"), 115),
    },
    Kind {
        name: "full-disk",
        about: "an output disk with less room than the output needs",
        judges: "exit code 13, the earlier output intact, nothing left",
        goal: 100,
        work: seeds(
            test("imgctl-tests", "e2e", "faults::an_output_disk_that_is_full_at_any_size"),
            25,
        ),
    },
    Kind {
        name: "file-size",
        about: "a limit on file sizes below the output's",
        judges: "as above",
        goal: 100,
        work: seeds(test("imgctl-tests", "e2e", "faults::a_limit_on_file_sizes"), 25),
    },
    Kind {
        name: "ext4-cut",
        about: "an edit of an ext4 whose device fails from one read or write on; each is cut once",
        judges: "an error, the base untouched",
        goal: 300,
        work: seeds(test("imgctl-tests", "e2e", "engine_faults::ext4"), 300),
    },
    Kind {
        name: "fat-cut",
        about: "the same of a FAT",
        judges: "as above",
        goal: 10_000,
        work: seeds(test("imgctl-tests", "e2e", "engine_faults::fat"), 2000),
    },
    Kind {
        name: "journey",
        about: "the golden recipe on a whole image; a Kubernetes example, each of whose checks fails after one edit; and a recipe with \
                every section, which changes nothing on its own output",
        judges: "qemu-img, e2fsck, fsck.fat, ext4-view, the expected tree, a kernel that goes on writing; the exit codes",
        goal: 8,
        work: Work::Tests(&[
            test("imgctl-tests", "e2e", "real_images::debian13"),
            test("imgctl-tests", "e2e", "real_images::debian12"),
            test("imgctl-tests", "e2e", "real_images::ubuntu_like"),
            test("imgctl-tests", "e2e", "node_recipes::debian13"),
            test("imgctl-tests", "e2e", "node_recipes::ubuntu"),
            test("imgctl-tests", "e2e", "twice::debian13"),
            test("imgctl-tests", "e2e", "twice::debian12"),
            test("imgctl-tests", "e2e", "twice::ubuntu_like"),
        ]),
    },
    Kind {
        name: "virt-edits",
        about: "a script of the forms that are in public use, run unchanged by guestfs-tools and by the drop-in tools on copies of \
                debian12",
        judges: "the trees that a kernel mount shows, equal but for what docs/virt-tools.md lists; e2fsck, fsck.fat, qemu-img",
        goal: 93,
        work: seeds(test("imgctl-tests", "virt", "edits::scripts_leave_the_same_guest"), 5),
    },
    Kind {
        name: "virt-outputs",
        about: "a script that reads a guest or copies its disk, run by both on one of three guests",
        judges: "standard output byte by byte, the files taken out, the exit status; for copies the guest and the size",
        goal: 123,
        work: seeds(test("imgctl-tests", "virt", "outputs::scripts_print_the_same"), 6),
    },
    Kind {
        name: "boot",
        about: "a customized image boots: SeaBIOS, OVMF, qemu's -kernel; with a NoCloud seed and without",
        judges: "the serial console: login, identity, units, files; e2fsck and fsck.fat after the shutdown",
        goal: 18,
        work: Work::Boots,
    },
];
