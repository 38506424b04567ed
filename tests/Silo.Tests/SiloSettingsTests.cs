using Peft.Orleans.Core;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Silo.Tests;

public sealed class SiloSettingsTests
{
    [Fact]
    public void The_page_has_every_setting_with_variable_default_and_meaning()
    {
        var rows = Repository.Page("silo.md").Split('\n');
        foreach (var (_, setting) in SiloSettings.All)
        {
            var variable = setting.Variable is { } name ? $"`{name}`" : "–";
            Assert.Contains($"| `{setting.Option}` | {variable} | {setting.Otherwise} | {setting.Meaning} |", rows);
        }

        Assert.Equal(SiloSettings.All.Count, rows.Count(static row => row.StartsWith("| `--", StringComparison.Ordinal)));
    }

    [Fact]
    public void Help_has_every_setting()
    {
        foreach (var (_, setting) in SiloSettings.All)
            Assert.Contains($"\n  {setting.Option} {setting.Value}", SiloSettings.Help, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_line_goes_over_the_environment_and_that_over_defaults()
    {
        var read = SettingReader.Read(["--threads", "3", "--exit-with-parent"], static name => name switch
        {
            "PEFT_SILO_THREADS" => "7",
            "PEFT_SILO_NAME" => "pod-4",
            "PEFT_SILO_EXIT_WITH_PARENT" => "true",
            _ => null,
        });
        Assert.Equal(new SiloSettings { Threads = 3, Name = "pod-4", ExitWithParent = true }, read);
        Assert.Equal(new SiloSettings(), SettingReader.Read([], static name => name == "PEFT_SILO_EXIT_WITH_PARENT" ? "true" : null));
    }

    [Theory]
    [InlineData("--threads many", "--threads many: expected an integer from 1 to 4096; leave it out for number of processors")]
    [InlineData("--threads 0", "--threads 0: expected an integer from 1 to 4096")]
    [InlineData("--silo-port 70000", "--silo-port 70000: expected an integer from 1 to 65535")]
    [InlineData("--memory 99999999999", "--memory 99999999999: expected an integer")]
    [InlineData("--host here", "--host here: expected an IP address")]
    [InlineData("--name a/b", "--name a/b: expected letters")]
    [InlineData("--name", "--name needs a value: --name NAME")]
    [InlineData("--nam x", "unknown option --nam; peft-silo --help lists them")]
    public void A_wrong_setting_is_refused_by_name(string line, string message)
    {
        var error = Assert.Throws<PeftException>(() => SiloSettings.Read(["--cluster-folder", "c", .. line.Split(' ')]));
        Assert.StartsWith(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_variable_is_refused_by_its_own_name()
    {
        var error = Assert.Throws<PeftException>(() => SettingReader.Read([], static name => name == "PEFT_SILO_THREADS" ? "two" : null));
        Assert.StartsWith("PEFT_SILO_THREADS=two: expected an integer", error.Message, StringComparison.Ordinal);
    }
}
