using System.Runtime.InteropServices;
using Peft.Orleans.Core;
using Peft.Orleans.Core.Cluster;
using Peft.Orleans.Core.Runs;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Orleans.Kernels.Torch;

/// <summary>The one door to libtorch: loads it, fixes threads and allocator, knows what the processor multiplies fast.</summary>
public static class TorchRuntime
{
    private const int MallocTrimThreshold = -1;
    private const int MallocTopPad = -2;
    private const int MallocMmapThreshold = -3;
    private const int MallocArenas = -8;

    /// <summary>
    /// How often an idle worker looks for work before it sleeps: about 0.1 ms. Waking it takes longer than a product of rank 16 (107 to 149
    /// µs instead of 40 to 50 µs); spinning on would steal the processor from the other silos of this machine.
    /// </summary>
    private const string SpinCount = "10000";

    private static readonly Lock Gate = new();

    private static bool initialized;
    private static Device? device;

    /// <summary>The device this process computes on; cuda:0 where the silo carries a CUDA libtorch and a GPU answers, else cpu.</summary>
    /// <remarks>Not a constant: merely naming a device loads libtorch, and <see cref="Initialize"/> must be first.</remarks>
    public static Device Device => device ?? CPU;

    /// <summary>Compute threads as set by <see cref="Initialize"/>.</summary>
    public static int Threads { get; private set; } = 1;

    /// <summary>
    /// Loads libtorch and sets threads and allocator; only the first call counts. To be called before anything else touches a tensor.
    /// </summary>
    /// <param name="threads">Compute threads; part of what the bits depend on.</param>
    /// <param name="deterministic">Whether kernels must give the same bits on every run.</param>
    /// <exception cref="PeftException">The native library cannot be loaded; says why and what to do.</exception>
    public static void Initialize(int threads, bool deterministic = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        lock (Gate)
        {
            if (initialized) return;
            SetEnvironment("OMP_NUM_THREADS", threads.ToString());
            SetEnvironment("MKL_NUM_THREADS", threads.ToString());
            SetEnvironment("OMP_WAIT_POLICY", "ACTIVE");
            SetEnvironment("GOMP_SPINCOUNT", SpinCount);
            if (deterministic) SetEnvironment("CUBLAS_WORKSPACE_CONFIG", ":4096:8");
            TuneAllocator();
            LoadNative();
            TensorAllocator.Install();
            InitializeDeviceType(DeviceType.CPU);
            set_num_threads(threads);
            Threads = threads;
            if (cuda.is_available())
            {
                InitializeDeviceType(DeviceType.CUDA);
                device = new Device(DeviceType.CUDA, 0);
            }

            initialized = true;
        }
    }

    /// <summary>
    /// The type in which weights held as <paramref name="dtype"/> are multiplied where nothing else is asked: native on a GPU, else as
    /// <see cref="Processor.Products"/> has it.
    /// </summary>
    public static ProductType ProductsOf(WeightType dtype) =>
        Device.type == DeviceType.CPU ? Processor.Products(dtype) : ProductType.Native;

    /// <summary>What libtorch has here, for people; after <see cref="Initialize"/>.</summary>
    public static SiloCheck Check() => new(Device.ToString(), BlockKernel.HalfState, BlockKernel.SingleState);

    /// <summary>
    /// glibc maps and unmaps every large tensor, so each one is paid for in page faults (a quarter of a LoRA step). Large blocks are kept
    /// in the heap instead; 64 MB are asked for at a time and nothing is given back below 2 GB of free memory at the top. One heap is asked
    /// for, since no thread uses what lies free in another's; where glibc has given threads their own before this is called, tensors still
    /// lie in such a one, made of pieces of 64 MB across which free memory does not join.
    /// </summary>
    private static void TuneAllocator()
    {
        if (!OperatingSystem.IsLinux()) return;
        Mallopt(MallocArenas, 1);
        Mallopt(MallocMmapThreshold, 1_000_000_000);
        Mallopt(MallocTrimThreshold, int.MaxValue);
        Mallopt(MallocTopPad, 64 << 20);
    }

    private static void LoadNative()
    {
        // TorchSharp's own answer to a failed load is to copy 500 MB of libraries beside it; a failure must end here instead.
        var folder = AppContext.BaseDirectory;
        const string Name = "libLibTorchSharp.so";
        string[] places = [Path.Combine(folder, Name), Path.Combine(folder, "runtimes", "linux-x64", "native", Name)];
        var library = places.FirstOrDefault(File.Exists);
        if (library is null)
            throw new PeftException($"{folder}: {Name} is not there; build or publish the project that carries libtorch again");
        try
        {
            NativeLibrary.Load(library);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            throw new PeftException(
                $"{library}: libtorch cannot be loaded: {error.Message.Split('\n')[0]}; build or publish again (the build adapts "
                + "this library to older systems), and check that libtorch_cpu.so lies beside it and "
                + "the system is glibc-based Linux on x86-64",
                error);
        }
    }

    private static void SetEnvironment(string name, string value)
    {
        // Environment.SetEnvironmentVariable does not reach native code.
        Environment.SetEnvironmentVariable(name, value);
        if (!OperatingSystem.IsWindows()) SetEnv(name, value, 1);
    }

    /// <summary>
    /// Gives freed memory back to the system. The allocator keeps what was freed between living tensors, and the next ones of another size
    /// do not fit there: to be called after a phase that held much for a while, not after every step.
    /// </summary>
    public static void ReturnFreedMemory()
    {
        if (OperatingSystem.IsLinux()) _ = MallocTrim(0);
    }

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetEnv(string name, string value, int overwrite);

    [DllImport("libc", EntryPoint = "malloc_trim")]
    private static extern int MallocTrim(nuint pad);

    [DllImport("libc", EntryPoint = "mallopt")]
    private static extern int Mallopt(int parameter, int value);
}
