using System.Text;
using CsCheck;
using Peft.Orleans.Core;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Files;

/// <summary>Reads a file in many damaged forms: it is read, or refused by a <see cref="PeftException"/> that names it.</summary>
internal static class DamagedReading
{
    private static readonly int Iterations = Environment.GetEnvironmentVariable("PEFT_LONG") == "1" ? 20_000 : 500;

    internal static void Json(string file, string valid, Action<TemporaryFolder> read, params string[] others) =>
        Check(file, Damage.OfJson(Encoding.UTF8.GetBytes(valid)), read, others);

    internal static void Bytes(string file, byte[] valid, Action<TemporaryFolder> read, params string[] others) =>
        Check(file, Damage.OfBytes(valid), read, others);

    internal static void Check(string file, Gen<byte[]> damaged, Action<TemporaryFolder> read, params string[] others)
    {
        using var asFolder = new TemporaryFolder();
        Directory.CreateDirectory(asFolder.File(file));
        Assert.Throws<PeftException>(() => read(asFolder));
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(Path.GetDirectoryName(folder.File(file))!);
        damaged.Sample(
            bytes =>
            {
                File.WriteAllBytes(folder.File(file), bytes);
                try
                {
                    read(folder);
                }
                catch (PeftException error)
                {
                    Assert.True(
                        others.Append(file).Any(name => error.Message.Contains(folder.File(name), StringComparison.Ordinal)),
                        $"the message does not name the file: {error.Message}");
                    Assert.DoesNotContain("System.", error.Message, StringComparison.Ordinal);
                }
            },
            iter: Iterations, threads: 1, print: static bytes => Encoding.UTF8.GetString(bytes));
    }
}
