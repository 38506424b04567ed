using Peft.Orleans.Core;
using Peft.Orleans.Silo.Stores;

namespace Peft.Orleans.Silo.Tests.Stores;

public sealed class StoreSettingsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-store-").FullName;

    [Fact]
    public void Without_a_word_it_is_the_folder()
    {
        var read = Read("", null);
        Assert.Equal(StoreKind.Sqlite, read.Store);
        Assert.Null(read.StoreConnection);
    }

    [Theory]
    [InlineData("redis", "redis.example:6379,password=hidden")]
    [InlineData("postgresql", "Host=db;Password=hidden")]
    public void The_connection_comes_from_the_variable_or_from_a_file_which_wins(string store, string connection)
    {
        Assert.Equal(connection, Read($"--store {store} --name a", connection).StoreConnection);
        var file = Path.Combine(folder, "connection");
        File.WriteAllText(file, connection + "\n");
        var read = Read($"--store {store} --name a --store-connection-file {file}", "elsewhere");
        Assert.Equal(connection, read.StoreConnection);
        // A record tells its settings to whoever logs it.
        Assert.DoesNotContain("hidden", read.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--store etcd", "", "--store etcd: expected sqlite, redis or postgresql")]
    [InlineData("--store redis --name a", null, "--store redis: where is it? Give its connection in the variable PEFT_SILO_STORE_CONN")]
    [InlineData("--store redis", "x:1", "--store redis: give --name NAME too")]
    [InlineData("--store-connection-file f", null, "--store-connection-file f: needs --store redis or postgresql")]
    [InlineData("--store redis --name a --store-connection-file /nowhere/f", "", "--store-connection-file /nowhere/f: Could not find")]
    [InlineData("--store redis --name a --store-connection-file /dev/null", "", "--store-connection-file /dev/null: it is empty")]
    public void What_does_not_fit_is_refused_by_name(string line, string? variable, string message) =>
        Assert.StartsWith(message, Assert.Throws<PeftException>(() => Read(line, variable)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("redis", "host:1,password=hidden,no-such-key=1")]
    [InlineData("postgresql", "Host=db;Password=hidden;NoSuchKey=1")]
    public void A_connection_that_cannot_be_read_is_refused_without_repeating_it(string store, string connection)
    {
        var error = Assert.Throws<PeftException>(() => ClusterStore.Of(Read($"--store {store} --name a", connection)));
        Assert.StartsWith("the store's connection: expected", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", error.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static SiloSettings Read(string line, string? connection)
    {
        var arguments = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return StoreSettings.Read(
            SettingReader.Read(arguments, static _ => null), name => name == "PEFT_SILO_STORE_CONNECTION" ? connection : null);
    }
}
