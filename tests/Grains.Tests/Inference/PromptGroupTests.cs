using CsCheck;
using Peft.Orleans.Grains.Inference;

namespace Peft.Orleans.Grains.Tests.Inference;

public class PromptGroupTests
{
    [Fact]
    public void Every_prompt_is_in_one_group_and_none_is_padded_by_more_than_half_its_length() =>
        Gen.Int[1, 400].Array[0, 300].Sample(lengths =>
        {
            var groups = PipelineCaller.Groups(lengths);
            Assert.Equal(Enumerable.Range(0, lengths.Length), groups.SelectMany(static group => group).Order());
            Assert.All(groups, group =>
            {
                Assert.InRange(group.Length, 1, 64);
                Assert.True(group.Max(prompt => lengths[prompt]) <= 1.5 * group.Min(prompt => lengths[prompt]));
            });
        });
}
