namespace Peft.Orleans.Core.Security;

/// <summary>Who may call a grain's method from outside; without this attribute only silos may.</summary>
/// <param name="role">The least role.</param>
[AttributeUsage(AttributeTargets.Method)]
public sealed class AllowedToAttribute(Role role) : Attribute
{
    /// <summary>The least role.</summary>
    public Role Role { get; } = role;
}
