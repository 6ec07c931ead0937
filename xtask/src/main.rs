//! `cargo xtask`: the project's own tasks, a file each.
mod bench;
mod demo;
mod ebpf;
mod fuzz;
mod kernels;
mod lab;
mod setup;
mod sh;
mod test;
mod tidy;
mod weigh;

use clap::Parser;

/// natstrace's own tasks.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Build natstrace and show it on a bundled capture
    Demo(demo::Demo),
    /// Everything that must pass: tidy, format, lints, all tests
    Test(test::Test),
    /// Play connection failures on hosts made of network namespaces; record or check them
    Lab(lab::Lab),
    /// Strike the core with bent captures and chance
    Fuzz(fuzz::Fuzz),
    /// Measure natstrace beside tcpdump and tshark on generated captures
    Bench(bench::Bench),
    /// Count the instructions that fixed captures cost, against what is committed
    Weigh(weigh::Weigh),
    /// Boot Debian's 6.1 and 6.12 kernels in qemu and check natstrace's verdicts there
    Kernels(kernels::Kernels),
    /// What happens inside such a kernel
    #[command(hide = true)]
    KernelsGuest(kernels::guest::Inside),
    /// Rebuild the kernel probes' object, which is committed and embedded
    Ebpf(ebpf::Ebpf),
    /// Check what the compiler doesn't: floors, clocks and files below the edges, file headers
    Tidy,
    /// Install what a build and the lab need, where it is missing
    Setup,
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Demo(demo) => demo.run(),
        Task::Test(test) => test.run(),
        Task::Lab(lab) => lab.run(),
        Task::Fuzz(fuzz) => fuzz.run(),
        Task::Bench(bench) => bench.run(),
        Task::Weigh(weigh) => weigh.run(),
        Task::Kernels(kernels) => kernels.run(),
        Task::KernelsGuest(inside) => inside.run(),
        Task::Ebpf(ebpf) => ebpf.run(),
        Task::Tidy => tidy::run(),
        Task::Setup => setup::build().and_then(|()| setup::lab()).and_then(|()| setup::valgrind()),
    }
}
