using System.Diagnostics;

namespace Peft.Orleans.Tests;

/// <summary>SmolLM2-135M-Instruct as a Hugging Face folder, converted once from the checkpoint beside the project.</summary>
internal static class SmolLm2
{
    private static readonly SemaphoreSlim Gate = new(1, 1);

    /// <summary>The folder; skips the test where the checkpoint or Python is missing.</summary>
    internal static async Task<string> Folder()
    {
        var source = SharedFolder.Require("models/SmolLM2-135M-Instruct");
        var tool = SharedFolder.Require("tools/gguf_to_hf.py");
        var target = Path.Combine(SharedFolder.RepositoryRoot, "artifacts", "models", "SmolLM2-135M-Instruct");
        await Gate.WaitAsync();
        try
        {
            if (File.Exists(Path.Combine(target, "model.safetensors"))) return target;
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            var converting = target + $".{Environment.ProcessId}";
            using var process = Process.Start(
                new ProcessStartInfo("python3", [tool, source, converting]) { RedirectStandardError = true }
            )!;
            var errors = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, $"{tool} failed: {errors}");
            try
            {
                Directory.Move(converting, target);
            }
            catch (IOException) when (File.Exists(Path.Combine(target, "model.safetensors")))
            {
                // Tests of another assembly were first.
                Directory.Delete(converting, recursive: true);
            }

            return target;
        }
        finally
        {
            Gate.Release();
        }
    }
}
