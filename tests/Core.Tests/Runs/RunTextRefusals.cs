using Peft.Orleans.Core.Runs;
using Xunit;

namespace Peft.Orleans.Core.Tests.Runs;

/// <summary>Files and assignments that are no run file at all.</summary>
public sealed class RunTextRefusals
{
    [Theory]
    [InlineData("", "f.yaml:1: the file is empty")]
    [InlineData("- a\n- b", "f.yaml:1: a run file is a list of 'key: value' lines")]
    [InlineData("name: a\n---\nname: b", "a second YAML document")]
    [InlineData("name: [a", "f.yaml:1: not valid YAML")]
    [InlineData("name: a\ndata:\n  train: { path: x }\n\tmax_length: 2\n", "f.yaml:4: not valid YAML: a tab in the indentation")]
    [InlineData("name: a\ndata:\n\ttrain: x\n", "f.yaml:3: not valid YAML: a tab in the indentation")]
    [InlineData("name: a\r\ndata: x\r\n\tmax_length: 2\r\n", "f.yaml:3: not valid YAML: a tab in the indentation")]
    [InlineData("name: a\ndata: { train: x\nmodel: y\n", "not valid YAML: a '{' or '[' is not closed")]
    [InlineData("name: a\nname: b\n", "f.yaml:2: not valid YAML: Duplicate key name")]
    [InlineData("name: a\nmodel: *base\n", "*base repeats what &base names, and no &base stands before it")]
    [InlineData("name: a\ndata: &d\n  train: *d\n", "f.yaml:3: *d stands inside what &d names")]
    public void Text_that_is_no_run_file(string yaml, string message) =>
        Assert.Contains(message, Assert.Throws<PeftException>(() => RunFile.Parse(yaml, "f.yaml")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("training.steps", "expected key=value")]
    [InlineData("training..steps=3", "a part of the key is empty")]
    [InlineData("training.stepz=3", "--set training.stepz=3: training.stepz: unknown key; did you mean training.steps?")]
    [InlineData("training.steps=abc", "--set training.steps=abc: training.steps: expected an integer")]
    [InlineData("name.first=a", "name is a value, not a section")]
    [InlineData("method.target_modules=[a", "the value is not valid YAML")]
    public void Bad_overrides(string assignment, string message) =>
        Assert.Contains(
            message,
            Assert.Throws<PeftException>(() => RunFile.Parse(ValidRun.Text, "f.yaml", [assignment])).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_run_that_trains_nothing()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, ValidRun.Text);
            Assert.Contains(
                "the list is empty",
                Assert.Throws<PeftException>(() => RunFile.Load(file, ["method.target_modules=[]"])).Message,
                StringComparison.Ordinal
            );
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Absent_file_is_named() =>
        Assert.Contains(
            "no-such-file.yaml",
            Assert.Throws<PeftException>(() => RunFile.Load("no-such-file.yaml")).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void A_file_without_end_is_not_read_to_its_end()
    {
        Assert.SkipUnless(File.Exists("/dev/urandom"), "a device of Linux");
        foreach (var device in (string[])["/dev/zero", "/dev/urandom"])
        {
            Assert.Contains(
                $"{device}: longer than 1,048,576 characters; a run file is a page of YAML",
                Assert.Throws<PeftException>(() => RunFile.Load(device)).Message,
                StringComparison.Ordinal
            );
        }
    }

    [Fact]
    public void A_folder_is_no_run_file() =>
        Assert.Contains(
            ". is a folder; name a run file",
            Assert.Throws<PeftException>(() => RunFile.Load(".")).Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Text_without_end_of_nesting()
    {
        var yaml = "name: " + new string('[', 100_000);
        Assert.Contains(
            "f.yaml:1: nested deeper than 64",
            Assert.Throws<PeftException>(() => RunFile.Parse(yaml, "f.yaml")).Message,
            StringComparison.Ordinal
        );
    }
}
