using System.Diagnostics;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests.Security;

/// <summary>A short round of the program that feeds damaged inputs to all readers.</summary>
public sealed class FuzzTests
{
    [Fact]
    public async Task Damaged_inputs_are_read_or_refused()
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[Repository.Built("fuzz", "fuzz.dll"), "--inputs", "400", "--seed", "7"])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(Patience.Token);
        var errors = process.StandardError.ReadToEndAsync(Patience.Token);
        await process.WaitForExitAsync(Patience.Token);
        Assert.True(process.ExitCode == 0, await output + await errors);
        Assert.Equal(8, (await output).Split("0 crashes, 0 hangs").Length - 1);
    }
}
