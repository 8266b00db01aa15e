//! The table for people, and the figures against the targets.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Figures;
use crate::measure::Cost;
use crate::packing::Row;
use crate::rounds::ImageFigures;
use crate::tools::ToolFigures;

/// The README's section.
pub(crate) fn markdown(figures: &Figures) -> String {
    let Figures {
        images,
        tools,
        packing,
        memory,
    } = figures;
    let mut text = String::new();
    for image in images {
        image_table(&mut text, image);
    }
    for image in images.iter().take(1) {
        parts(&mut text, image);
    }
    packing_table(&mut text, packing);
    text.push_str(&tools_table(tools));
    if !memory.is_empty() {
        let figures: Vec<_> = memory
            .iter()
            .map(|figure| format!("{}: {}", figure.what, megabytes(figure.peak_bytes)))
            .collect();
        let _ = writeln!(text, "Peak memory: {}.\n", figures.join("; "));
    }
    let _ = writeln!(
        text,
        "Measured by `cargo xtask bench` on {}; medians, the base in the page cache.",
        machine()
    );
    if images.iter().any(|image| image.virt_customize.is_some() && !image.kvm) {
        text.push_str(
            "virt-customize ran without KVM here. With KVM, libguestfs's own documentation gives 3 to 5 s for the start\n\
             of its appliance alone, and the best whole run published is 2 s. It changes an image where it is and packs nothing.\n",
        );
    }
    text
}

fn image_table(text: &mut String, image: &ImageFigures) {
    let title = format!("{} ({}), 13 file operations", image.name, megabytes(image.file_bytes));
    let _ = writeln!(
        text,
        "| {title} | wall | CPU | CPU ratio | peak memory |\n|---|---:|---:|---:|---:|"
    );
    let mut row = |what: &str, cost: &Cost| {
        let ratio = cost.cpu.as_secs_f64() / image.customize.cpu.as_secs_f64();
        let _ = writeln!(
            text,
            "| {what} | {} | {} | {ratio:.2} | {} |",
            seconds(cost.wall),
            seconds(cost.cpu),
            megabytes(cost.peak_bytes)
        );
    };
    row("`imgctl customize`", &image.customize);
    if let Some(cost) = &image.in_memory {
        row("the same, output in memory", cost);
    }
    row("`imgctl customize --thin`", &image.thin);
    row("`qemu-img convert -c`, which changes nothing", &image.convert);
    if let Some(cost) = &image.virt_customize {
        let kind = if image.kvm { "KVM" } else { "without KVM" };
        row(&format!("`virt-customize`, {kind}"), cost);
    }
    text.push('\n');
}

fn parts(text: &mut String, image: &ImageFigures) {
    let stages = ["open", "edit", "commit", "verify", "pack", "digest", "publish"];
    let stages: Vec<_> = stages
        .iter()
        .filter_map(|stage| Some(format!("{stage} {} ms", image.stages.get(*stage)?)))
        .collect();
    let limits = image.limits;
    let milliseconds = |time: Duration| time.as_millis();
    let _ = writeln!(
        text,
        "Parts of the run in memory on {}: {}. What the machine needs at least for as many bytes: reading them from the\n\
         page cache {} ms, copying them {} ms, SHA-256 {} ms, writing them to the disk with fsync {} ms.\n",
        image.name,
        stages.join(", "),
        milliseconds(limits.read),
        milliseconds(limits.copy),
        milliseconds(limits.sha256),
        milliseconds(limits.write),
    );
}

fn packing_table(text: &mut String, rows: &[Row]) {
    text.push_str(
        "| debian13, `imgctl convert` and `qemu-img convert -c -m 2 -W` | wall | CPU | size | qemu-img's wall | CPU | size | \
         CPU ratio | codec and SHA-256 alone |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let size = |bytes: u64| match bytes {
        0 => "–".to_owned(),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    };
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {:.1} | {} |",
            row.what,
            seconds(row.ours.wall),
            seconds(row.ours.cpu),
            size(row.our_bytes),
            seconds(row.theirs.wall),
            seconds(row.theirs.cpu),
            size(row.their_bytes),
            row.cpu_ratio,
            seconds(row.limit),
        );
    }
    text.push('\n');
}

/// The drop-in tools.
pub(crate) fn tools_table(tools: &[ToolFigures]) -> String {
    let mut text = "| drop-in tool | wall | guestfs-tools, without KVM | times faster | peak memory |\n|---|---:|---:|---:|---:|\n".to_owned();
    for tool in tools {
        let theirs = tool.theirs.map_or("–".to_owned(), |cost| seconds(cost.wall));
        let ratio = tool.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.0}"));
        let (wall, peak) = (seconds(tool.ours.wall), megabytes(tool.ours.peak_bytes));
        let _ = writeln!(text, "| {} | {wall} | {theirs} | {ratio} | {peak} |", tool.what);
    }
    text.push('\n');
    text
}

/// The targets of the drop-in tools, where their peers were measured.
pub(crate) fn tools_against_targets(tools: &[ToolFigures]) -> Vec<String> {
    let line = |tool: &ToolFigures| {
        let (ratio, least) = (tool.ratio()?, tool.target);
        let met = if ratio >= least { "met   " } else { "MISSED" };
        let what = tool.what;
        Some(format!(
            "{met}: {what}: {ratio:.0} times faster than guestfs-tools; at least {least}"
        ))
    };
    tools.iter().filter_map(line).collect()
}

/// Each target, whether it is met, and the figure.
pub(crate) fn against_targets(figures: &Figures) -> Vec<String> {
    let mut lines = Vec::new();
    let mut target = |met: bool, text: String| lines.push(format!("{}: {text}", if met { "met   " } else { "MISSED" }));
    for image in &figures.images {
        let name = &image.name;
        let cpu = image.customize.cpu.as_secs_f64();
        target(cpu <= 0.6, format!("{name}: {cpu:.2} s CPU; at most 0.6 s"));
        let without_disk = image.customize.wall.saturating_sub(image.limits.write).as_secs_f64();
        target(
            without_disk <= 0.5,
            format!("{name}: {without_disk:.2} s wall without the disk's write and fsync; at most 0.5 s"),
        );
        if let Some(cost) = &image.in_memory {
            let wall = cost.wall.as_secs_f64();
            target(
                wall <= 0.5,
                format!("{name}: {wall:.2} s wall with the output in memory; at most 0.5 s"),
            );
        }
        let thin = image.thin.wall.as_secs_f64();
        target(
            thin <= 0.1,
            format!("{name}: {thin:.2} s wall with --thin; at most 0.1 s"),
        );
        let ratio = image.convert_cpu_ratio;
        target(
            ratio >= 20.0,
            format!("{name}: {ratio:.1} times less CPU than qemu-img convert -c; at least 20"),
        );
        if let Some(cost) = &image.virt_customize {
            let ratio = cost.wall.as_secs_f64() / image.customize.wall.as_secs_f64();
            target(
                ratio >= 25.0,
                format!("{name}: {ratio:.1} times faster than virt-customize; at least 25 under TCG"),
            );
        }
    }
    for row in &figures.packing {
        let (what, least) = (row.what, row.targets);
        let (cpu, wall) = (row.cpu_ratio, row.wall_ratio);
        target(
            cpu >= least.cpu,
            format!("{what}: {cpu:.1} times less CPU than qemu-img; at least {}", least.cpu),
        );
        target(
            wall >= least.wall,
            format!(
                "{what}: {wall:.1} times less wall than qemu-img; at least {}",
                least.wall
            ),
        );
        let (ours, theirs) = (row.our_bytes, row.their_bytes);
        // Reading writes nothing.
        if theirs > 0 {
            target(
                ours <= theirs,
                format!("{what}: {ours} bytes; at most qemu-img's {theirs}"),
            );
        }
    }
    for figure in &figures.memory {
        let peak = megabytes(figure.peak_bytes);
        target(
            figure.peak_bytes <= 100_000_000,
            format!("{}: {peak} at the peak; at most 100 MB", figure.what),
        );
    }
    lines
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

/// The processor, and how many threads it runs.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} processors ({model})")
}
