using Peft.Orleans.Tests;

namespace Peft.Orleans.Operations.Tests;

/// <summary>The programs these tests start.</summary>
public sealed class ToolTests
{
    [Fact]
    public void A_program_of_every_machine_is_found() => Assert.Equal("sh", Path.GetFileName(Tool.Require("sh", "dash")));
}
