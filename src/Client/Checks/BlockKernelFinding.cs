using System.ComponentModel;
using System.Diagnostics;
using Peft.Orleans.Client.Clusters;
using Peft.Orleans.Core.Cluster;

namespace Peft.Orleans.Client.Checks;

/// <summary>
/// Whether the silo's libtorch has the block kernel, which multiplies faster than its own products on processors with AVX-512. Only a
/// process with libtorch can tell: <c>peft-silo --check</c>, which also shows that libtorch loads.
/// </summary>
internal static class BlockKernelFinding
{
    private const string Name = "block kernel";

    /// <summary>Loading libtorch takes about a second; from a cold disk many.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    /// <summary>Asks the silo.</summary>
    internal static Finding Ask()
    {
        if (SiloExecutable.TryLocate(out _) is not { } silo) return new(Name, "bad", "no silo to ask", "see peft-silo");
        var start = new ProcessStartInfo(silo.Program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in silo.Arguments.Append(SiloArguments.Check)) start.ArgumentList.Add(argument);
        try
        {
            using var process = Process.Start(start)!;
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            if (!process.WaitForExit(Limit))
            {
                process.Kill();
                return NoAnswer($"nothing within {Limit.TotalSeconds:0} s");
            }

            var line = output.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "";
            if (SiloCheck.Read(line) is { } check) return Of(check);
            return NoAnswer(errors.Result.Trim() is { Length: > 0 } error ? error : output.Result.Trim());
        }
        catch (Win32Exception error)
        {
            return NoAnswer(error.Message);
        }
    }

    /// <summary>What a silo's answer means.</summary>
    internal static Finding Of(SiloCheck check)
    {
        (string Type, BlockKernelState State)[] types = [("bf16", check.BFloat16BlockKernel), ("float32", check.Float32BlockKernel)];
        var found = TypesThat(BlockKernelState.Found);
        if (TypesThat(BlockKernelState.Missing) is { Length: > 0 } missing)
        {
            return new(
                Name,
                "note",
                $"this libtorch has none for {missing}{(found.Length > 0 ? $", one for {found}" : "")}: right, but steps take longer",
                "build the silo with the TorchSharp of Directory.Packages.props: dotnet build src/Silo");
        }

        return new(Name, "ok", found.Length > 0 ? $"found for {found}" : "not for this processor: libtorch's own products");

        string TypesThat(BlockKernelState state) =>
            string.Join(" and ", types.Where(type => type.State == state).Select(static type => type.Type));
    }

    private static Finding NoAnswer(string said) =>
        new(
            Name,
            "bad",
            $"peft-silo {SiloArguments.Check} did not answer: {said.Split('\n')[0]}",
            "build the silo again: dotnet build src/Silo"
        );
}
