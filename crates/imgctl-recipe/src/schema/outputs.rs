//! `outputs`: what is written.

use super::{Key, Rule, Shape, Table, ToldBy, Union};
use crate::kinds;

pub(super) static OUTPUTS: Table = Table {
    path: "outputs",
    what: "a mapping like `{ images: [{ path: golden.qcow2 }] }`",
    about: "The images, how they are written, and what goes beside them.",
    example: "\
outputs:
  defaults: { compression: { type: zlib, level: 9 }, checksums: [sha256] }
  images:
    - { path: golden.qcow2 }
",
    rules: &[],
    keys: &[
        Key::new(
            "defaults",
            Shape::Table(&DEFAULTS),
            "{ format: qcow2, checksums: [sha256] }",
            "What holds for each image that does not say otherwise.",
        )
        .default("as below"),
        Key::new(
            "images",
            Shape::List(&Shape::Table(&IMAGE)),
            "[{ path: golden.qcow2 }]",
            "The images to write; one for now.",
        )
        .default("the command line says it")
        .also(&["image"]),
        Key::new(
            "emit",
            Shape::List(&Shape::Union(&EMIT)),
            "[{ kind: terraform-tfvars, path: out/image.auto.tfvars.json }]",
            "Files for the platforms that import the image.",
        )
        .also(&["artifacts", "post"])
        .later(),
        Key::when(),
    ],
};

static FORMATS: &[&str] = &["qcow2", "raw"];

static DEFAULTS: Table = Table {
    path: "outputs.defaults",
    what: "a mapping like `{ format: qcow2 }`",
    about: "What holds for an image that does not say otherwise, also for one that the command line names.",
    example: "\
outputs:
  defaults:
    format: qcow2
    compression: { type: zlib, level: 9 }
    cluster_size: 64KiB
    checksums: [sha256, sha512]
",
    rules: &[],
    keys: &[
        Key::new(
            "format",
            Shape::Choice(FORMATS),
            "qcow2",
            "`qcow2`, or `raw`: a sparse file.",
        )
        .default("`qcow2`"),
        Key::new(
            "compression",
            Shape::Table(&COMPRESSION),
            "{ type: zlib, level: 9 }",
            "How qcow2 clusters are compressed.",
        )
        .default("`{ type: zlib }`"),
        Key::new(
            "cluster_size",
            Shape::Text(&kinds::CLUSTER_SIZE),
            "64KiB",
            "The size of qcow2 clusters: a power of two from 512B to 2MiB.",
        )
        .default("`64KiB`")
        .also(&["clusters", "cluster"]),
        Key::new(
            "checksums",
            Shape::List(&Shape::Choice(&["sha256", "sha512"])),
            "[sha256]",
            "Digests to write beside the image, as `sha256sum -c` reads them.",
        )
        .default("none")
        .also(&["checksum"]),
        Key::new(
            "align",
            Shape::Choice(&["512B"]),
            "512B",
            "The file's length is a multiple of it; always so.",
        )
        .default("`512B`"),
        Key::new(
            "discard_free_blocks",
            Shape::Always(true, "free blocks are never written"),
            "true",
            "What no file uses is not in the image; always so.",
        )
        .default("`true`"),
        Key::new(
            "sbom",
            Shape::List(&Shape::Choice(&["spdx", "cyclonedx"])),
            "[spdx, cyclonedx]",
            "Lists of what is in the image, to write beside it.",
        )
        .later(),
        Key::new(
            "provenance",
            Shape::Choice(&["slsa-v1", "none"]),
            "slsa-v1",
            "A statement of how the image was made, to write beside it.",
        )
        .default("`none`")
        .also(&["attestation"])
        .later_but("none"),
    ],
};

static IMAGE: Table = Table {
    path: "outputs.images[]",
    what: "a mapping like `{ path: golden.qcow2 }`",
    about: "One image. A relative path begins in the folder the command runs in.",
    example: "\
outputs:
  images:
    - { path: out/golden.raw, format: raw }
",
    rules: &[],
    keys: &[
        Key::new(
            "path",
            Shape::Text(&kinds::OUTPUT_PATH),
            "golden.qcow2",
            "Where to write, relative to the folder the command runs in.",
        )
        .required()
        .also(&["file", "name", "dest"]),
        Key::new("format", Shape::Choice(FORMATS), "raw", "As in `outputs.defaults`.")
            .default("that of `defaults`")
            .also(&["type"]),
        Key::new(
            "compression",
            Shape::Table(&COMPRESSION),
            "{ type: zstd }",
            "As in `outputs.defaults`.",
        )
        .default("that of `defaults`")
        .also(&["compress"]),
        Key::when(),
    ],
};

static COMPRESSION: Table = Table {
    path: "compression",
    what: "a mapping like `{ type: zlib }`",
    about: "In `outputs.defaults` and in each image. Raw images are not compressed.",
    example: "\
outputs:
  images:
    - { path: golden.qcow2, compression: { type: zstd, level: 19 } }
",
    rules: &[],
    keys: &[
        Key::new(
            "type",
            Shape::Choice(&["zlib", "zstd", "none"]),
            "zlib",
            "`zlib`: every reader knows it; `zstd`: QEMU 5.1 and later.",
        )
        .required()
        .also(&["kind", "codec", "algorithm"]),
        Key::new(
            "level",
            Shape::Integer(1, 22),
            "9",
            "1 (fast) to 9 (small) for zlib, to 22 for zstd.",
        )
        .default("the codec's"),
    ],
};

static EMIT: Union = Union {
    path: "outputs.emit[]",
    what: "a mapping like `{ kind: terraform-tfvars, path: image.auto.tfvars.json }`",
    about: "A file for a platform that imports the image; `kind` says which. A relative path is as in `outputs.images`.",
    example: "\
outputs:
  images: [{ path: out/golden.qcow2 }]
  emit:
    - { kind: proxmox-import, path: out/import.sh, storage: local-lvm, vmid: 9000 }
    - { kind: terraform-tfvars, path: out/image.auto.tfvars.json }
",
    told_by: ToldBy::FirstValue,
    tables: &[&PROXMOX, &HARVESTER, &TERRAFORM],
};

const fn emit_path(example: &'static str) -> Key {
    Key::new(
        "path",
        Shape::Text(&kinds::OUTPUT_PATH),
        example,
        "Where to write the file.",
    )
    .required()
    .also(&["file", "name", "dest"])
}

static PROXMOX: Table = Table {
    path: "outputs.emit.proxmox-import",
    what: "a mapping like `{ kind: proxmox-import, path: import.sh, storage: local-lvm, vmid: 9000 }`",
    about: "A shell script that makes a template of the image on a Proxmox VE host.",
    example: "\
outputs:
  emit:
    - { kind: proxmox-import, path: out/import.sh, storage: rbd-vm, vmid: 9000, bios: ovmf, efi_storage: local }
",
    rules: &[Rule::Needs("pre_enrolled_keys", &["efi_storage"])],
    keys: &[
        Key::new(
            "kind",
            Shape::Choice(&["proxmox-import"]),
            "proxmox-import",
            "The platform.",
        )
        .required()
        .also(&["type"]),
        emit_path("out/import.sh"),
        Key::new(
            "storage",
            Shape::Text(&kinds::WORD),
            "local-lvm",
            "The storage for the disk.",
        )
        .required(),
        Key::new(
            "vmid",
            Shape::Integer(100, 999_999_999),
            "9000",
            "The number of the template.",
        )
        .required()
        .also(&["id", "vm_id"]),
        Key::new("bios", Shape::Choice(&["seabios", "ovmf"]), "ovmf", "The firmware.")
            .default("`seabios`")
            .also(&["firmware"]),
        Key::new(
            "efi_storage",
            Shape::Text(&kinds::WORD),
            "local",
            "The storage for EFI variables, with `bios: ovmf`.",
        )
        .also(&["efidisk"]),
        Key::new(
            "pre_enrolled_keys",
            Shape::Boolean,
            "false",
            "Whether the EFI variables begin with the distributions' Secure Boot keys.",
        )
        .default("as Proxmox VE does"),
        Key::new(
            "scsihw",
            Shape::Choice(&[
                "virtio-scsi-single",
                "virtio-scsi-pci",
                "lsi",
                "lsi53c810",
                "megasas",
                "pvscsi",
            ]),
            "virtio-scsi-single",
            "The SCSI controller.",
        )
        .default("`virtio-scsi-single`")
        .also(&["scsi"]),
        Key::new(
            "agent",
            Shape::Boolean,
            "true",
            "Whether Proxmox VE talks to the guest agent.",
        )
        .default("`false`")
        .also(&["qemu_agent", "guest_agent"]),
        Key::when(),
    ],
};

static HARVESTER: Table = Table {
    path: "outputs.emit.harvester-vmimage",
    what: "a mapping like `{ kind: harvester-vmimage, path: vmimage.yaml }`",
    about: "A VirtualMachineImage for Harvester, with the image's SHA-512 and virtual size.",
    example: "\
outputs:
  emit:
    - { kind: harvester-vmimage, namespace: default, path: out/vmimage.yaml }
",
    rules: &[],
    keys: &[
        Key::new(
            "kind",
            Shape::Choice(&["harvester-vmimage"]),
            "harvester-vmimage",
            "The platform.",
        )
        .required()
        .also(&["type"]),
        emit_path("out/vmimage.yaml"),
        Key::new(
            "namespace",
            Shape::Text(&kinds::WORD),
            "default",
            "The namespace of the image.",
        )
        .default("`default`")
        .also(&["ns"]),
        Key::when(),
    ],
};

static TERRAFORM: Table = Table {
    path: "outputs.emit.terraform-tfvars",
    what: "a mapping like `{ kind: terraform-tfvars, path: image.auto.tfvars.json }`",
    about: "Variables for Terraform or OpenTofu: the image's name and SHA-256.",
    example: "\
outputs:
  emit:
    - { kind: terraform-tfvars, path: out/image.auto.tfvars.json }
",
    rules: &[],
    keys: &[
        Key::new(
            "kind",
            Shape::Choice(&["terraform-tfvars"]),
            "terraform-tfvars",
            "The tool.",
        )
        .required()
        .also(&["type"]),
        emit_path("out/image.auto.tfvars.json"),
        Key::when(),
    ],
};
