pub struct S{pub key:String,pub value:String,pub optional:bool}
pub fn sysctls(_:&crate::plan::Gateway)->Vec<S>{vec![S{key:"net.ipv4.ip_forward".into(),value:"1".into(),optional:false}]}
