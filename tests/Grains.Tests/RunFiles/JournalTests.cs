using Peft.Orleans.Grains.RunFiles;
using Xunit;

namespace Peft.Orleans.Grains.Tests.RunFiles;

public sealed class JournalTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("journal").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_torn_last_line_is_dropped_and_the_rest_kept()
    {
        var path = Path.Combine(folder, "metrics.jsonl");
        File.WriteAllText(path, "{\"step\":1}\n{\"step\":2}\n{\"st");
        using (var journal = Journal.Open(path, "w", static _ => true)) journal.Append("{\"step\":3}");
        Assert.Equal(["{\"step\":1}", "{\"step\":2}", "{\"step\":3}"], File.ReadAllLines(path));
    }

    [Fact]
    public void A_former_writer_writes_nowhere()
    {
        var path = Path.Combine(folder, "metrics.jsonl");
        using var former = Journal.Open(path, "former", static _ => true);
        former.Append("{\"step\":1}");
        using var present = Journal.Open(path, "present", static _ => true);
        former.Append("{\"step\":2,\"stale\":true}");
        present.Append("{\"step\":2}");
        Assert.Equal(["{\"step\":1}", "{\"step\":2}"], File.ReadAllLines(path));
    }
}
